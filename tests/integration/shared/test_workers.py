"""A supervisor and its workers as real processes: deaths, hangs, drains, and who tells what."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.metrics_text import total
from tests.ports import free_ports

PROGRAM = Path(__file__).with_name("tiny_service.py")
START_S = 20.0
ANSWER_WITHIN_S = 2.0
"""Of `/health`, whatever the workers do."""


class Tiny:
    """The process under test; each `get` is a connection of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, ops_port: int) -> None:
        self.process, self.port, self.ops_port = process, port, ops_port

    async def get(self, path: str = "/") -> str:
        async with aiohttp.request("GET", f"http://127.0.0.1:{self.port}{path}") as answer:
            return await answer.text()

    async def health(self, path: str = "/health") -> tuple[int, dict[str, Any]]:
        async with aiohttp.request("GET", f"http://127.0.0.1:{self.ops_port}{path}") as answer:
            return answer.status, json.loads(await answer.read())

    async def metric(self, name: str) -> float:
        async with aiohttp.request("GET", f"http://127.0.0.1:{self.ops_port}/metrics") as answer:
            return total(await answer.text(), name)

    async def pids(self) -> list[int]:
        return [worker["pid"] for worker in (await self.health())[1]["workers"]]

    @asynccontextmanager
    async def in_flight(self) -> AsyncIterator["InFlight"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"POST /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await reader.readline()  # the chunk's size
        try:
            pid = int(await reader.readline())
            await reader.readline()  # the chunk's end
            yield InFlight(reader, writer, pid)
        finally:
            writer.close()

    async def is_ready(self) -> bool:
        try:
            return (await self.health("/ready"))[0] == 200
        except aiohttp.ClientError:
            return False


class InFlight:
    """A request whose answer has begun, by the process `pid`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int) -> None:
        self._reader, self._writer, self.pid = reader, writer, pid

    async def finish(self) -> bytes:
        """Sends the body; what comes back until the connection's end."""
        self._writer.write(b"done")
        return await self._reader.read()


async def until(condition: Any, *, within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*, workers: int = 2, drain_s: int = 20, notice_s: int = 0) -> AsyncIterator[Tiny]:
    port, ops_port = free_ports(2)
    arguments = map(str, (workers, port, ops_port, drain_s, notice_s))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    tiny = Tiny(process, port, ops_port)
    try:
        await until(tiny.is_ready, within_s=START_S)
        yield tiny
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_connections_are_shared_out_evenly() -> None:
    async with running() as tiny, aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*(session.post(f"http://127.0.0.1:{tiny.port}/held") for _ in range(10)))
        assert sorted(Counter([await answer.text() for answer in answers]).values()) == [5, 5]


async def test_a_worker_that_dies_is_replaced_and_the_others_go_on() -> None:
    async with running() as tiny, tiny.in_flight() as first, tiny.in_flight() as second:
        assert {first.pid, second.pid} == set(await tiny.pids())
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: _replaced(tiny, first.pid))
        assert second.pid in await tiny.pids()
        assert b"done" in await second.finish()
        assert await first.finish() == b""
        assert await tiny.metric("gateway_workers_ended_total") == 1


async def _replaced(tiny: Tiny, pid: int) -> bool:
    return await tiny.is_ready() and pid not in await tiny.pids()


async def test_metrics_are_those_of_all_workers_and_of_those_that_died() -> None:
    async with running() as tiny:
        answered_by = [int(await tiny.get()) for _ in range(20)]
        assert set(answered_by) == set(await tiny.pids())
        for death in range(3):
            assert await tiny.metric("tiny_requests_total") == 20
            assert await tiny.metric("tiny_seconds_count") == 20
            assert await tiny.metric("tiny_seconds_sum") == 10
            assert await tiny.metric("tiny_computed") == 2, "a dead worker's gauge has to go"
            assert await tiny.metric("gateway_workers_ended_total") == death
            victim = (await tiny.pids())[death % 2]
            os.kill(victim, signal.SIGKILL)
            await until(lambda victim=victim: _replaced(tiny, victim))


@pytest.mark.parametrize("workers", [1, 2])
async def test_no_worker_outlives_a_killed_supervisor(workers: int) -> None:
    async with running(workers=workers) as tiny:
        pids = await tiny.pids()
        tiny.process.kill()
        await tiny.process.wait()
        deadline_s = time.monotonic() + 2
        while not all(map(is_gone, pids)):
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigterm_lets_requests_finish_and_ends_with_0(workers: int) -> None:
    async with running(workers=workers) as tiny, tiny.in_flight() as request:
        tiny.process.terminate()

        async def is_unready() -> bool:
            status, report = await tiny.health("/ready")
            return status == 503 and report["status"] == "draining"

        await until(is_unready, within_s=1)
        with pytest.raises(aiohttp.ClientError):
            await tiny.get()
        assert tiny.process.returncode is None
        assert b"done" in await request.finish()
        async with asyncio.timeout(5):
            assert await tiny.process.wait() == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_that_stops_takes_connections_until_that_was_noticed(workers: int) -> None:
    async with running(workers=workers, notice_s=1) as tiny:
        tiny.process.terminate()
        await until(lambda: _is_draining(tiny), within_s=0.5)
        assert await tiny.get()
        async with asyncio.timeout(5):
            assert await tiny.process.wait() == 0


async def test_a_second_sigterm_does_not_wait_for_requests() -> None:
    async with running() as tiny, tiny.in_flight():
        tiny.process.terminate()
        await until(lambda: _is_draining(tiny), within_s=1)
        tiny.process.terminate()
        async with asyncio.timeout(5):
            assert await tiny.process.wait() == 0


async def _is_draining(tiny: Tiny) -> bool:
    return bool((await tiny.health())[1]["status"] == "draining")


async def test_a_worker_told_to_end_alone_drains_and_is_replaced() -> None:
    async with running() as tiny, tiny.in_flight() as request:
        os.kill(request.pid, signal.SIGTERM)
        os.kill(request.pid, signal.SIGTERM)  # a service manager may tell all processes: it counts once
        assert b"done" in await request.finish()
        await until(lambda: _replaced(tiny, request.pid))


async def test_health_names_a_worker_that_hangs_and_others_get_its_connections() -> None:
    async with running() as tiny:
        hung = asyncio.create_task(tiny.get("/stuck"))
        await until(lambda: _is_degraded(tiny), within_s=10)
        began_s = time.monotonic()
        status, report = await tiny.health()
        assert time.monotonic() - began_s < 3 * ANSWER_WITHIN_S
        assert status == 200
        assert sorted(worker["status"] for worker in report["workers"]) == ["no answer within 1.25 s", "ok"]
        assert (await tiny.health("/ready"))[0] == 503
        await asyncio.sleep(3)  # that long a silence is not yet a hang
        well = next(worker["pid"] for worker in report["workers"] if worker["status"] == "ok")
        assert {int(await tiny.get()) for _ in range(6)} == {well}
        hung.cancel()


async def _is_degraded(tiny: Tiny) -> bool:
    return bool((await tiny.health())[1]["status"] == "degraded")


async def test_a_lone_worker_that_dies_loses_no_connection_that_waits() -> None:
    async with running(workers=1) as tiny:
        pid = int(await tiny.get())
        os.kill(pid, signal.SIGSTOP)
        waiting = asyncio.create_task(tiny.get())
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert int(await waiting) != pid


async def test_the_operations_port_refuses_what_it_does_not_know() -> None:
    async with running(workers=1) as tiny:
        for method, path, status in (("GET", "/secret", 404), ("POST", "/health", 405), ("HEAD", "/metrics", 200)):
            async with aiohttp.request(method, f"http://127.0.0.1:{tiny.ops_port}{path}") as answer:
                assert answer.status == status
        reader, writer = await asyncio.open_connection("127.0.0.1", tiny.ops_port)
        writer.write(b"GET /" + b"x" * 20_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 431")
        writer.close()
        assert await tiny.is_ready()
