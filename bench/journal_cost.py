"""What the journal costs a call: CPU of writing down an attempt, group commit and its thread included.

    .local/venvs/dev/bin/python -m bench.journal_cost [--calls 20000] [--open 16] [--rounds 5] [--folder .]

A call here is an intent, a turn of the loop in the provider's place, and a settle that is awaited. The same
loop without a journal runs before each round and is subtracted. The publisher is not part of it.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import uvloop

from gateway_router.attempt import Attempt, AttemptRecord, Outcome
from gateway_router.configuration import Provider, Registration
from gateway_router.journal import Journal
from gateway_router.journal.journal import Build, Record
from gateway_router.routing import Route
from gateway_shared.call_head import Caller, CallHead
from gateway_shared.settings import Secret
from gateway_shared.usage_event import TokenCounts

Settled = asyncio.Future[None]

PROVIDER = Provider("openai", "openai", "https://api.openai.com/v1", Secret("none"), "openai", "openai", "openai")
ROUTE = Route(PROVIDER, "gpt-4o", Registration("openai", "openai", (PROVIDER,)))
OUTCOME = Outcome(
    "settled", "complete", "provider", TokenCounts(input_tokens=812, output_tokens=240), 200, "gpt-4o-2024-08-06"
)


class NoJournal:
    """Takes everything and writes nothing; what is settled is done in the loop's next turn."""

    producer = "none/none"

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def intent(self, record: Record) -> None:
        """Not written."""

    def checkpoint(self, record: Record) -> None:
        """Not written."""

    def settle(self, build: Build) -> Settled:  # noqa: ARG002 - the protocol's
        settled = self._loop.create_future()
        self._loop.call_soon(settled.set_result, None)
        return settled


def attempt(number: int) -> Attempt:
    caller = Caller("tenant-1", "user-1", "key_0192a5", "standard", "langchain")
    head = CallHead(f"req_{number:012}", "chat.completions", "gpt-4o", False, None, False, caller, agent_run_id="run-7")
    event_id = f"01900000-0000-7000-8000-{number:012}"
    return Attempt(event_id, head, ROUTE, "2026-11-23T20:00:00.000000Z", time.monotonic())


async def _calls(journal: "Journal | NoJournal", numbers: Sequence[int]) -> None:
    writes = isinstance(journal, Journal)
    for number in numbers:
        record = AttemptRecord(attempt(number), journal, time.monotonic)
        if writes:
            record.intent()
        await asyncio.sleep(0)
        await (record.settle(OUTCOME) if writes else journal.settle(lambda *_: None))  # type: ignore[arg-type]


async def _cpu_us(journal: "Journal | NoJournal", *, calls: int, open_calls: int) -> float:
    """A call's CPU, of all threads of this process."""
    share = calls // open_calls
    started_s = time.process_time()
    workers = (_calls(journal, range(worker * share, (worker + 1) * share)) for worker in range(open_calls))
    await asyncio.gather(*workers)
    return (time.process_time() - started_s) / (share * open_calls) * 1e6


async def _round(folder: Path, *, calls: int, open_calls: int) -> float:
    without = await _cpu_us(NoJournal(), calls=calls, open_calls=open_calls)
    journal = Journal.open(folder, instance="bench")
    with_it = await _cpu_us(journal, calls=calls, open_calls=open_calls)
    await journal.close()
    journal.folder.remove()
    return with_it - without


def main() -> None:
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        one = partial(_round, Path(folder), calls=options.calls, open_calls=options.open)
        figures = [uvloop.run(one()) for _ in range(options.rounds)]
    print(
        f"{statistics.median(figures):.1f} us CPU a call ({min(figures):.1f}..{max(figures):.1f}),"
        f" {options.open} open at a time"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--open", type=int, default=16, help="calls open at a time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=".", help="a folder on the disk to measure")
    return parser


if __name__ == "__main__":
    main()
