"""Clients of streams, each on a connection of its own, and what they saw; the provider's side of the same calls."""

import asyncio
import urllib.request
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.stack import get_json, wait_until
from tests.acceptance.traffic import Gateway

_CONTENT = b'"content":"'
MODELS = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "Llama-3.3-70B-Instruct")


class Provided(Gateway, Protocol):
    """A stack whose provider is a simulator."""

    @property
    def simulator_url(self) -> str: ...


@dataclass
class StreamClient:
    """One streaming call: `open` returns at its first word or its end, `finish` at its end, whatever that is."""

    key: str
    directive: str
    model: str = "gpt-4o"
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    received: bytes = b""

    async def open(self, port: int) -> None:
        content = f"[[sim id={self.run_id} {self.directive}]] one two three"
        body = orjson.dumps({"model": self.model, "stream": True, "messages": [{"role": "user", "content": content}]})
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            f"X-Agent-Run-Id: {self.run_id}\r\n\r\n".encode()
            + body
        )
        while _CONTENT not in self.received and not self._writer.is_closing():
            await self._read()

    async def finish(self) -> None:
        while not self._writer.is_closing():
            await self._read()

    async def _read(self) -> None:
        data = await self._reader.read(65536)
        self.received += data
        if not data:
            self._writer.close()

    @property
    def status(self) -> int:
        return int(self.received.split(b" ", 2)[1]) if self.received else 0

    @property
    def is_complete(self) -> bool:
        return b"data: [DONE]\n\n" in self.received

    @property
    def error_code(self) -> str | None:
        """Of the error event that ended it."""
        _, found, event = self.received.rpartition(b'data: {"error":')
        return str(orjson.loads(b'{"error":' + event.partition(b"\n")[0])["error"]["code"]) if found else None


async def opened(stack: Provided, port: int, count: int, directive: str) -> list[StreamClient]:
    """So many streams, over all models, once each has its first word."""
    key = stack.run["standard_key"]
    clients = [StreamClient(key, directive, MODELS[number % len(MODELS)]) for number in range(count)]
    await asyncio.gather(*(client.open(port) for client in clients))
    return clients


async def finished(clients: Sequence[StreamClient]) -> None:
    await asyncio.gather(*(client.finish() for client in clients))


async def held(stack: Provided, count: int) -> None:
    """Until the provider holds so many."""
    await asyncio.to_thread(
        wait_until,
        lambda: get_json(f"{stack.simulator_url}/simulator/stats")["held"] >= count,
        within_s=20,
        what=f"{count} held streams",
    )


async def release(stack: Provided) -> None:
    """Lets all that the provider holds go on."""
    request = urllib.request.Request(f"{stack.simulator_url}/simulator/release", method="POST")
    (await asyncio.to_thread(urllib.request.urlopen, request, timeout=10)).close()


async def provider_log(stack: Provided, clients: Sequence[StreamClient]) -> dict[str, Row]:
    """The provider's one entry of each call that it was asked for, by run id."""
    wanted = {client.run_id for client in clients}
    log = await asyncio.to_thread(get_json, f"{stack.simulator_url}/simulator/requests")
    entries = [entry for entry in log if entry["marker"] in wanted]
    assert max(Counter(entry["marker"] for entry in entries).values(), default=0) <= 1, "called twice for one request"
    return {entry["marker"]: entry for entry in entries}


async def rows_of(
    ledger: Ledger, clients: Sequence[StreamClient], *, within_s: float, at_least: int | None = None
) -> dict[str, Row]:
    """The one event of each call, by run id."""
    rows = await ledger.wait_for_rows(
        "SELECT * FROM billing.attempts WHERE agent_run_id = ANY($1)",
        [client.run_id for client in clients],
        at_least=len(clients) if at_least is None else at_least,
        within_s=within_s,
    )
    by_run = {row["agent_run_id"]: row for row in rows}
    assert len(by_run) == len(rows), "one call, two events"
    return by_run
