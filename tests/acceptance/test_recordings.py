"""Recorded provider traffic through the whole gateway: what the client receives means what the provider said."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack, running_stack
from tests.recorded_answers import judge
from tests.recordings import Received, Recording, Replay, load_recordings

RECORDINGS = load_recordings()
BASE_PATHS = {"OPENAI": "/openai/v1", "ANTHROPIC": "/anthropic", "GOOGLE": "/google", "META": "/meta/v1"}

pytestmark = pytest.mark.skipif(not RECORDINGS, reason="the recordings are not in this checkout's neighbourhood")


@dataclass(frozen=True)
class ReplayedStack:
    stack: Stack
    replay: Replay


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayedStack]:
    """A gateway of its own whose four providers are one replay server, registered as an operator would."""
    replay = Replay()
    with served(replay) as port:
        environ = {"EGRESS_ALLOW_HOSTS": f"127.0.0.1:{port}"}
        for name, path in BASE_PATHS.items():
            environ |= {f"{name}_API_KEY": "recorded", f"{name}_BASE_URL": f"http://127.0.0.1:{port}{path}"}
        with running_stack(tmp_path_factory.mktemp("replayed"), environ) as stack:
            yield ReplayedStack(stack, replay)


class served:  # noqa: N801 - used as `with served(replay) as port`
    """Serves a replay from a thread with a loop of its own, since the fixture outlives each test's loop."""

    def __init__(self, replay: Replay) -> None:
        self._loop = asyncio.new_event_loop()
        self._runner = web.AppRunner(replay.app(), access_log=None, shutdown_timeout=0.1)
        self._thread = threading.Thread(target=self._loop.run_forever, name="replay")

    def __enter__(self) -> int:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    async def _start(self) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    def __exit__(self, *exc_info: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.id)
async def test_the_client_receives_what_the_provider_said(replayed: ReplayedStack, recording: Recording) -> None:
    replayed.replay.playing = recording
    headers = {"Authorization": f"Bearer {replayed.stack.run['standard_key']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{replayed.stack.edge_url}/v1/chat/completions", json=recording.request()) as response,
    ):
        received = Received(
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            await response.read(),
        )
    judge(recording, received)
    rows = await Ledger(replayed.stack.run["postgres_dsn"]).wait_for_rows(
        "SELECT status, provider FROM billing.attempts WHERE request_id = $1",
        received.headers["x-request-id"],
        at_least=1,
        within_s=6,
    )
    assert [row["status"] for row in rows] == ["failed" if recording.mode == "err" else "settled"]
