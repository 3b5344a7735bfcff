"""A simulator on a free port, in the test's own process, and the little that tests say to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from gateway_simulator.app import simulator_app, simulator_runner

ANTHROPIC_HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
OPENAI_HEADERS = {"Authorization": "Bearer key"}
GOOGLE_HEADERS = {"x-goog-api-key": "key"}


@dataclass(frozen=True)
class Simulator:
    url: str
    session: aiohttp.ClientSession

    async def openai(self, text: str, **members: Any) -> aiohttp.ClientResponse:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **members}
        return await self.post("/openai/v1/chat/completions", body, OPENAI_HEADERS)

    async def anthropic(self, text: str, **members: Any) -> aiohttp.ClientResponse:
        message = {"role": "user", "content": text}
        body = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [message], **members}
        return await self.post("/anthropic/v1/messages", body, ANTHROPIC_HEADERS)

    async def google(self, text: str, *, stream: bool = False, **members: Any) -> aiohttp.ClientResponse:
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}], **members}
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return await self.post(f"/google/v1beta/models/gemini-2.5-flash:{method}", body, GOOGLE_HEADERS)

    async def post(self, path: str, body: Any, headers: dict[str, str]) -> aiohttp.ClientResponse:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.session.post(self.url + path, data=data, headers=headers)

    async def log(self, **wanted: str) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/simulator/requests", params=wanted) as response:
            entries: list[dict[str, Any]] = await response.json()
            return entries

    async def stats(self) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/simulator/stats") as response:
            stats: dict[str, Any] = await response.json()
            return stats

    async def until(self, name: str, count: int) -> None:
        """Until that count of the statistics is reached."""
        async with asyncio.timeout(10):
            while (await self.stats())[name] < count:
                continue

    async def script(self, rules: Any) -> int:
        async with self.session.put(f"{self.url}/simulator/script", data=orjson.dumps(rules)) as response:
            return response.status

    async def release(self, **wanted: str) -> int:
        async with self.session.post(f"{self.url}/simulator/release", params=wanted) as response:
            return int((await response.json())["released"])


@asynccontextmanager
async def running_simulator(*, keep_bodies: bool = False) -> AsyncIterator[Simulator]:
    runner = simulator_runner(simulator_app(keep_bodies=keep_bodies))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Simulator(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
    finally:
        await runner.cleanup()


def events_of(body: str) -> list[dict[str, Any]]:
    """The JSON of each data line, `[DONE]` left out."""
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    return [orjson.loads(line) for line in lines if line != "[DONE]"]
