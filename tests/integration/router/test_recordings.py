"""Every recorded exchange, replayed by a provider on a real socket through the router's hop."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.router.router_rig import RouterRig, listening, open_rig, providers_at
from tests.recorded_answers import judge
from tests.recordings import Cut, Recording, Replay, at_odd_places, load_recordings, whole
from tests.servers import Certificates

RECORDINGS = load_recordings()
STREAMS = [recording for recording in RECORDINGS if recording.mode == "stream"]

pytestmark = pytest.mark.skipif(not RECORDINGS, reason="the recordings are not in this checkout's neighbourhood")


@pytest.fixture
async def replay() -> AsyncIterator[tuple[Replay, str]]:
    replay = Replay()
    async with listening(web.AppRunner(replay.app(), access_log=None, shutdown_timeout=0.1)) as url:
        yield replay, url


@pytest.fixture
async def router(certificates: Certificates, tmp_path: Path, replay: tuple[Replay, str]) -> AsyncIterator[RouterRig]:
    async with open_rig(certificates, tmp_path, providers_at(replay[1])) as rig:
        yield rig


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.id)
async def test_the_client_receives_what_the_provider_said(
    recording: Recording, router: RouterRig, replay: tuple[Replay, str]
) -> None:
    replay[0].playing = recording
    judge(recording, await router.call(recording.request()))
    [event] = router.settled()
    assert event.status == ("failed" if recording.mode == "err" else "settled")
    if recording.is_openai_wire:
        [asked] = replay[0].asked
        sent = {name: value for name, value in recording.openai_request.items() if name != "stream_options"}
        assert {name: value for name, value in asked.items() if name not in ("stream_options", "stream")} == {
            name: value for name, value in sent.items() if name != "stream"
        }


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.id)
@pytest.mark.parametrize("cut", [whole, at_odd_places])
async def test_a_stream_means_the_same_however_its_bytes_are_parted(
    recording: Recording, cut: Cut, router: RouterRig, replay: tuple[Replay, str]
) -> None:
    replay[0].playing, replay[0].cut = recording, cut
    judge(recording, await router.call(recording.request()))
