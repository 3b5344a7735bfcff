"""The simulator as a process: how it starts, how it stops, and that it bears hundreds of streams."""

import asyncio
import json
import signal
import sys
import time

import pytest

from tests.unit.simulator.running import Simulator, events_of, running_simulator

STREAMS = 400


async def test_it_says_where_it_listens_and_stops_at_once_with_streams_open() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway_simulator", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    listening = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    async with running_simulator() as other:
        simulator = Simulator(f"http://127.0.0.1:{listening['port']}", other.session)
        async with simulator.session.get(f"{simulator.url}/health") as health:
            assert health.status == 200
        response = await simulator.openai("[[sim stall_after=1]]", stream=True)
        started_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        stdout, stderr = await asyncio.wait_for(process.communicate(), 20)
        assert time.monotonic() - started_s < 6
        response.close()
    assert (process.returncode, stdout, stderr) == (0, b"", b"")


@pytest.mark.parametrize("port", ["70000", "many"])
async def test_a_bad_port_is_refused(port: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway_simulator"), env={"SIMULATOR_PORT": port}, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert port.encode() in stderr


async def test_hundreds_of_streams_are_open_at_once_and_all_come_to_their_end(simulator: Simulator) -> None:
    responses = await asyncio.gather(
        *(simulator.openai(f"[[sim words=20 hold_after=1 id={nth}]]", stream=True) for nth in range(STREAMS))
    )
    await simulator.until("held", STREAMS)
    assert (await simulator.stats())["open_streams"] == STREAMS
    for response in responses[: STREAMS // 2]:
        response.close()
    await simulator.until("client_gone", STREAMS // 2)
    assert await simulator.release() == STREAMS // 2
    bodies = await asyncio.gather(*(response.text() for response in responses[STREAMS // 2 :]))
    assert {len(events_of(body)) for body in bodies} == {22}
    stats = await simulator.stats()
    assert (stats["open_streams"], stats["completed"], stats["client_gone"]) == (0, STREAMS // 2, STREAMS // 2)
