"""Each scripted fault, as a client meets it and as the log tells it."""

import asyncio
import time
from typing import Any

import aiohttp
import orjson
import pytest

from tests.unit.simulator.running import Simulator, events_of

NOTICED_WITHIN_S = 5.0
"""It takes a few milliseconds; the rest is for a busy machine."""
DIALECTS = ["openai", "anthropic", "google"]


async def call(simulator: Simulator, dialect: str, directive: str, *, stream: bool = True) -> aiohttp.ClientResponse:
    text = f"[[sim words=5 {directive}]]"
    if dialect == "google":
        return await simulator.google(text, stream=stream)
    return await (simulator.openai if dialect == "openai" else simulator.anthropic)(text, stream=stream)


def words_in(body: str) -> int:
    """Counts the answer's words in any dialect's events."""
    return sum(body.count(word) for word in ("the", "gateway", "answers", "every", "call"))


async def read_until_broken(response: aiohttp.ClientResponse) -> tuple[str, Exception | None]:
    received = b""
    try:
        async for piece in response.content.iter_any():
            received += piece
    except (aiohttp.ClientError, ConnectionError) as error:
        return received.decode(), error
    finally:
        response.close()
    return received.decode(), None


async def only_entry(simulator: Simulator) -> dict[str, Any]:
    (entry,) = await simulator.log()
    return entry


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("cut", "broken"), [("rst", True), ("close", True), ("end", False)])
@pytest.mark.parametrize("after", [0, 2])
async def test_a_cut_stream_ends_after_that_many_words(
    simulator: Simulator, dialect: str, cut: str, broken: bool, after: int
) -> None:
    response = await call(simulator, dialect, f"cut_after={after} cut={cut}")
    body, error = await read_until_broken(response)
    assert (response.status, words_in(body), error is not None) == (200, after, broken)
    entry = await only_entry(simulator)
    assert (entry["ending"], entry["fault"], entry["content_events_sent"]) == ("cut", "cut", after)
    assert (entry["usage_sent"], entry["completed"], entry["usage"]["output_tokens"]) == (False, False, 5)


async def test_a_reset_is_told_from_a_close_by_tcp(simulator: Simulator) -> None:
    """aiohttp tells them apart only by the cause it keeps."""
    causes = []
    for cut in ("rst", "close"):
        _, error = await read_until_broken(await call(simulator, "openai", f"cut_after=2 cut={cut}"))
        causes.append("reset" in repr(error).lower() or isinstance(error, ConnectionResetError))
    assert causes == [True, False]


async def test_a_cut_past_the_end_strikes_after_the_last_word(simulator: Simulator) -> None:
    body, _ = await read_until_broken(await call(simulator, "openai", "cut_after=99"))
    assert words_in(body) == 5
    assert '"finish_reason":"stop"' not in body


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_plain_answer_is_cut_in_the_middle(simulator: Simulator, dialect: str) -> None:
    response = await call(simulator, dialect, "cut_after=1", stream=False)
    body, error = await read_until_broken(response)
    assert 0 < len(body) < int(response.headers["Content-Length"])
    assert error is not None
    assert (await only_entry(simulator))["ending"] == "cut"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_dropped_call_gets_no_status(simulator: Simulator, dialect: str) -> None:
    with pytest.raises(aiohttp.ClientError):
        await call(simulator, dialect, "drop")
    entry = await only_entry(simulator)
    assert (entry["status"], entry["ending"]) == (None, "drop")


@pytest.mark.parametrize("directive", ["stall_after=2", "stall_after=0", "hang"])
async def test_a_stall_lasts_until_the_client_leaves(simulator: Simulator, directive: str) -> None:
    reading = asyncio.create_task(read_stream(simulator, directive))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), 0.2)
    assert (await only_entry(simulator))["ending"] is None
    reading.cancel()
    entry = await ended_entry(simulator, within_s=NOTICED_WITHIN_S)
    assert (entry["ending"], entry["fault"], entry["client_gone"]) == ("stalled", "stall", True)
    assert entry["content_events_sent"] == (2 if directive == "stall_after=2" else 0)


async def read_stream(simulator: Simulator, directive: str) -> None:
    async with await call(simulator, "openai", directive) as response:
        await response.read()


async def ended_entry(simulator: Simulator, *, within_s: float) -> dict[str, Any]:
    deadline_s = time.monotonic() + within_s
    entry = await only_entry(simulator)
    while entry["ending"] is None and time.monotonic() < deadline_s:
        entry = await only_entry(simulator)
    return entry


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_is_noticed_at_once(simulator: Simulator, stream: bool) -> None:
    waiting = "delay_ms=60000" if stream else "ttft_ms=60000"
    task = asyncio.create_task(call(simulator, "openai", waiting, stream=stream))
    if stream:
        response = await task
        await response.content.readany()
        response.close()
    else:
        await simulator.until("received", 1)
        task.cancel()
    entry = await ended_entry(simulator, within_s=NOTICED_WITHIN_S)
    assert (entry["ending"], entry["client_gone"], entry["completed"]) == ("client_gone", True, False)
    assert (await simulator.stats())["open_streams"] == 0


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_malformed_event_stands_between_good_ones(simulator: Simulator, dialect: str) -> None:
    body = await (await call(simulator, dialect, "malformed_after=2")).text()
    lines = [line for line in body.splitlines() if line.startswith("data: {")]
    broken = [line for line in lines if not is_json(line.removeprefix("data: "))]
    assert (len(broken), words_in(body)) == (1, 5)
    entry = await only_entry(simulator)
    assert (entry["ending"], entry["fault"], entry["usage_sent"]) == ("complete", "malformed", dialect != "openai")


def is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


async def test_a_plain_answer_may_be_malformed(simulator: Simulator) -> None:
    body = await (await call(simulator, "openai", "malformed_after=0", stream=False)).text()
    assert not is_json(body)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_error_event_ends_a_stream_with_200(simulator: Simulator, dialect: str) -> None:
    response = await call(simulator, dialect, "error_after=2")
    body = await response.text()
    assert (response.status, words_in(body)) == (200, 2)
    assert "error" in events_of(body)[-1]
    assert "[DONE]" not in body
    assert (await only_entry(simulator))["ending"] == "error"


async def test_a_plain_200_may_hold_an_error(simulator: Simulator) -> None:
    response = await call(simulator, "openai", "error_after=0", stream=False)
    assert (response.status, list(await response.json())) == (200, ["error"])


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_usage_finish_and_done_can_be_missing(simulator: Simulator, dialect: str) -> None:
    without = await (await call(simulator, dialect, "no_usage no_finish no_done")).text()
    plain = await (await call(simulator, dialect, "no_usage", stream=False)).text()
    for word in ("prompt_tokens", "output_tokens", "usageMetadata", "[DONE]", "message_stop", "finishReason", '"stop"'):
        assert word not in without
        assert "oken" not in plain
    assert words_in(without) == 5
    assert [entry["usage_sent"] for entry in await simulator.log()] == [False, False]


async def test_events_may_be_split_anywhere(simulator: Simulator) -> None:
    response = await call(simulator, "openai", "split=7")
    pieces = [piece async for piece in response.content.iter_any()]
    assert words_in(b"".join(pieces).decode()) == 5
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_can_be_padded(simulator: Simulator, stream: bool) -> None:
    body = await (await call(simulator, "openai", "pad=200000", stream=stream)).text()
    assert 200_000 < len(body) < 205_000
    assert words_in(body) == 5


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_can_be_compressed_though_nobody_asked(simulator: Simulator, stream: bool) -> None:
    response = await call(simulator, "openai", "gzip pad=1000000", stream=stream)
    assert response.headers["Content-Encoding"] == "gzip"
    body = await response.text()  # this client takes it all the same
    assert (len(body) > 1_000_000, words_in(body)) == (True, 5)


async def test_pace_is_kept(simulator: Simulator) -> None:
    started_s = time.monotonic()
    response = await call(simulator, "openai", "headers_ms=50 ttft_ms=100 delay_ms=20")
    headers_s = time.monotonic() - started_s
    await response.content.readany()
    first_s = time.monotonic() - started_s
    await response.read()
    whole_s = time.monotonic() - started_s
    assert headers_s >= 0.05
    assert first_s >= 0.15
    assert whole_s >= 0.15 + 4 * 0.02


async def test_a_held_stream_waits_for_its_release(simulator: Simulator) -> None:
    responses = [await call(simulator, "openai", f"hold_after=2 id={marker}") for marker in ("a", "b")]
    await simulator.until("held", 2)
    assert [entry["content_events_sent"] for entry in await simulator.log()] == [2, 2]
    assert await simulator.release(marker="a") == 1
    assert words_in(await responses[0].text()) == 5
    assert [entry["held"] for entry in await simulator.log()] == [False, True]
    assert await simulator.release() == 1
    assert words_in(await responses[1].text()) == 5
    assert (await simulator.stats())["held"] == 0


async def test_a_script_stands_for_the_prompt(simulator: Simulator) -> None:
    assert await simulator.script({"directive": "status=503 retry_after=1", "requests": 1}) == 200
    statuses = [(await call(simulator, "openai", "")).status for _ in range(2)]
    assert statuses == [503, 200]
    assert await simulator.script({"directive": "wrods=1"}) == 400
    assert await simulator.script({"directive": "words=1"}) == 200
    async with simulator.session.delete(f"{simulator.url}/simulator/script") as response:
        assert response.status == 204
    async with simulator.session.get(f"{simulator.url}/simulator/script") as response:
        assert await response.json() == {"rules": []}
