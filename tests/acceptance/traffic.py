"""Clients at a steady rate, plain and streamed, over all models and both kinds of key, whatever becomes of them."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import orjson

MODELS = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "Llama-3.3-70B-Instruct")
DOORS = (("/v1/langchain/chat/completions", "langchain_key"), ("/v1/chat/completions", "standard_key"))
PATIENCE_S = 120.0
"""A client that hears nothing for so long gives up: no test waits for ever."""
ANSWERED_WITHIN_S = 60.0
"""Some hundred requests at the ordinary rate take five; a busy machine takes longer."""


class Gateway(Protocol):
    """What a client knows of a stack; `run` has the keys."""

    @property
    def edge_url(self) -> str: ...

    @property
    def run(self) -> Any: ...


@dataclass(frozen=True)
class Ask:
    """One request to come. `directive` is for the simulator; the client leaves after `leaves_after` lines."""

    model: str
    stream: bool
    door: tuple[str, str]
    directive: str
    leaves_after: int | None = None


@dataclass
class Outcome:
    """What one client saw. `complete`: its whole answer came, a 200 with its `[DONE]` or all of its body.

    `ended_s` is the monotonic second at which it was over, whole or not.
    """

    marker: str
    ask: Ask
    status: int = 0
    complete: bool = False
    left: bool = False
    ended_s: float = 0.0


def ordinary(chance: random.Random) -> Ask:
    """Half of them streams; some with tokens from the provider's cache, for which Meta has no price."""
    model = chance.choice(MODELS)
    cached = f" cached={chance.randrange(1, 500)}" if not model.startswith("Llama") and chance.random() < 0.3 else ""
    return Ask(
        model=model,
        stream=chance.random() < 0.5,
        door=chance.choice(DOORS),
        directive=f"words={chance.randrange(3, 40)} delay_ms={chance.randrange(0, 20)}{cached}",
    )


@dataclass
class Traffic:
    """`outcomes` are of the requests that have ended, in that order."""

    outcomes: list[Outcome] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def answered(self) -> int:
        return sum(outcome.complete for outcome in self.outcomes)

    @property
    def refused(self) -> list[Outcome]:
        """Those that neither left nor got their whole answer."""
        return [outcome for outcome in self.outcomes if not outcome.complete and not outcome.left]

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._more.set()

    async def until_answered(self, more: int, *, within_s: float = ANSWERED_WITHIN_S) -> None:
        """Returns when so many more requests than now have their whole answer. Raises AssertionError."""
        wanted = self.answered + more
        try:
            async with asyncio.timeout(within_s):
                while self.answered < wanted:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{self.answered} answers of {wanted} after {within_s:.0f} s") from None


@asynccontextmanager
async def traffic(
    gateway: Gateway, *, per_s: float = 20.0, seed: int = 1, draw: Callable[[random.Random], Ask] = ordinary
) -> AsyncIterator[Traffic]:
    """Begins requests at that rate while the block runs, then waits for the last of them."""
    seen, chance = Traffic(), random.Random(seed)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=PATIENCE_S)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session,
        asyncio.TaskGroup() as clients,
    ):
        arriving = asyncio.create_task(_arrive(gateway, session, clients, seen, chance, per_s, draw))
        try:
            yield seen
        finally:
            arriving.cancel()
            await asyncio.wait({arriving})


async def _arrive(
    gateway: Gateway,
    session: aiohttp.ClientSession,
    clients: asyncio.TaskGroup,
    seen: Traffic,
    chance: random.Random,
    per_s: float,
    draw: Callable[[random.Random], Ask],
) -> None:
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        clients.create_task(_client(gateway, session, seen, draw(chance)))
        due_s += 1 / per_s
        await asyncio.sleep(due_s - loop.time())


async def _client(gateway: Gateway, session: aiohttp.ClientSession, seen: Traffic, ask: Ask) -> None:
    outcome = Outcome(uuid.uuid4().hex, ask)
    try:
        await _converse(gateway, session, outcome)
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        outcome.complete = False
    outcome.ended_s = time.monotonic()
    seen.ended(outcome)


async def _converse(gateway: Gateway, session: aiohttp.ClientSession, outcome: Outcome) -> None:
    ask = outcome.ask
    path, key = ask.door
    text = f"Tell me something [[sim id={outcome.marker} {ask.directive}]]"
    body = {"model": ask.model, "stream": ask.stream, "messages": [{"role": "user", "content": text}]}
    headers = {
        "Authorization": f"Bearer {gateway.run[key]}",
        "Content-Type": "application/json",
        "X-Agent-Run-Id": outcome.marker,
    }
    async with session.post(f"{gateway.edge_url}{path}", data=orjson.dumps(body), headers=headers) as response:
        outcome.status = response.status
        lines, last = 0, b""
        async for line in response.content:
            lines, last = lines + 1, line.strip() or last
            if ask.leaves_after is not None and lines > ask.leaves_after:
                outcome.left = True
                response.close()
                return
        outcome.complete = response.status == 200 and (not ask.stream or last == b"data: [DONE]")
