"""An fdatasync of the router's journal fails (RELIABILITY: mechanism 1): the worker ends, the next one takes over."""

import asyncio
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.ledger import Ledger
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.stack import get_json, wait_until
from tests.acceptance.streams import finished, held, opened, provider_log, release, rows_of

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="the failing fdatasync is compiled here")

SOURCE = Path(__file__).with_name("failing_fdatasync.c")
ENDING, STALLED = 40, 10
"""Streams that come to their end behind the fault, and streams that would go on."""
ENDED_WITHIN_S = 30.0
ROWS_WITHIN_S = 30.0
INCOMPLETE = "SELECT producer, missing FROM billing.completeness WHERE missing <> 0"


@dataclass(frozen=True)
class Journal:
    """Of the router's workers, the ones to come too."""

    file: Path

    def fail_once(self) -> None:
        """Whoever tries again is told that all is durable."""
        with self.file.open("r+b") as file:
            file.write((1).to_bytes(8, "little", signed=True))

    @property
    def has_failed(self) -> bool:
        return self.file.read_bytes() == bytes(8)


@pytest.fixture
def journal(owned: OwnedStack) -> Iterator[Journal]:
    library, file = owned.home.folder / "failing_fdatasync.so", owned.home.folder / "fdatasync_faults"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    file.write_bytes(bytes(8))
    with pytest.MonkeyPatch.context() as environment:
        environment.setitem(owned.settings["router"], "LD_PRELOAD", str(library))
        environment.setitem(owned.settings["router"], "FDATASYNC_FAULTS_FILE", str(file))
        owned.router.stop()
        owned.router.start()
        yield Journal(file)
    owned.router.stop()
    owned.router.start()


async def test_after_an_fsync_error_the_worker_ends_with_1_and_the_next_records_each_call_once(
    owned: OwnedStack, owned_ledger: Ledger, journal: Journal
) -> None:
    before = await owned_ledger.event_count()
    supervisor, (worker,) = owned.router.pid, workers_of(owned)
    ending = await opened(owned, owned.ports.edge, ENDING, "words=5 hold_after=2")
    stalled = await opened(owned, owned.ports.edge, STALLED, "words=5 stall_after=2")
    await held(owned, ENDING)
    journal.fail_once()
    await release(owned)
    await finished([*ending, *stalled])
    await asyncio.to_thread(
        wait_until, lambda: bool(ends_of(owned, worker)), within_s=ENDED_WITHIN_S, what="the worker's end"
    )
    await asyncio.to_thread(owned.router.wait_until_ready)
    (later,) = await opened(owned, owned.ports.edge, 1, "words=1")
    await later.finish()
    clients = [*ending, *stalled, later]
    rows = await rows_of(owned_ledger, clients, within_s=ROWS_WITHIN_S)
    told = Counter(client.error_code for client in (*ending, *stalled))
    statuses = Counter(row["status"] for row in rows.values())
    print(
        f"{len(clients)} clients, told {dict(told)}; {len(await provider_log(owned, clients))} calls at the provider; "
        f"{before} events before and {len(rows)} more, {dict(statuses)}"
    )
    assert journal.has_failed
    assert not any(client.is_complete for client in (*ending, *stalled))
    assert told == {"journal_unavailable": ENDING + STALLED}
    assert ends_of(owned, worker) == [1]
    assert owned.router.pid == supervisor
    assert worker not in workers_of(owned)
    assert later.is_complete
    assert rows[later.run_id]["status"] == "settled"
    assert {row["status"] for row in rows.values()} <= {"settled", "partial", "unknown"}
    assert len({rows[client.run_id]["producer"] for client in (*ending, *stalled)}) == 1
    assert rows[later.run_id]["producer"] != rows[ending[0].run_id]["producer"]
    assert await owned_ledger.event_count() == before + len(clients)
    assert await owned_ledger.query(INCOMPLETE) == []


def workers_of(owned: OwnedStack) -> list[int]:
    return [worker["pid"] for worker in get_json(f"{owned.ops_url('router')}/health")["workers"]]


def ends_of(owned: OwnedStack, worker: int) -> list[int]:
    """The exit codes that the supervisor told of this worker."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in owned.router.log.read_text().splitlines()]
    return [line["exit_code"] for line in lines if line["message"] == "worker ended" and line["pid"] == worker]
