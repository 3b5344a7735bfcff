import json
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import ChatCall, object_with
from gateway_router.dialects.openai_wire import OpenAiStream, OpenAiTranslation
from gateway_shared.errors import GatewayError, ServerError
from gateway_shared.settings import Secret

PROVIDER = Provider("openai", "openai", "https://api.openai.com/v1", Secret("sk-1"), "openai", "openai", "openai")


def chat_call(rest: bytes = b'{"messages":[]}', *, stream: bool = True, relay: bool = True, **more: Any) -> ChatCall:
    return ChatCall("gpt-4o", stream, more.get("options"), relay, rest, "chatcmpl-1", 1)


def stream_of(*, relay: bool = True, rest: bytes = b"{}") -> OpenAiStream:
    return OpenAiTranslation(chat_call(rest, relay=relay), PROVIDER).stream({})


def event(**fields: object) -> bytes:
    return b"data: " + orjson.dumps({"id": "x", "model": "gpt-4o-2024", **fields}) + b"\n\n"


def delta(text: str, *, finish: str | None = None, index: int = 0, **fields: object) -> bytes:
    return event(choices=[{"index": index, "delta": {"content": text}, "finish_reason": finish}], **fields)


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DONE = b"data: [DONE]\n\n"


def fed(stream: OpenAiStream, *pieces: bytes) -> bytes:
    return b"".join(stream.feed(piece) for piece in pieces)


def test_our_members_stand_in_front_of_the_client_s_untouched_bytes() -> None:
    rest = b'{"messages":[],  "seed":1e2}'
    request = OpenAiTranslation(chat_call(rest, options={"include_obfuscation": False}), PROVIDER).request
    assert request.body.endswith(rest[1:])
    assert json.loads(request.body) == {
        "model": "gpt-4o",
        "stream": True,
        "stream_options": {"include_obfuscation": False, "include_usage": True},
        "messages": [],
        "seed": 100.0,
    }
    plain = OpenAiTranslation(chat_call(b"{}", stream=False), PROVIDER).request
    assert plain.body == b'{"model":"gpt-4o"}'
    assert "sk-1" not in repr(plain)


@pytest.mark.parametrize("rest", [b"", b"[]", b'"x"', b"{"])
def test_a_body_that_is_no_object_is_our_fault(rest: bytes) -> None:
    with pytest.raises(ServerError):
        object_with(b'"a":1', rest)


def test_bytes_are_relayed_as_they_came_with_usage_last() -> None:
    stream = stream_of()
    first, last, used = delta("a", usage=None), delta("", finish="stop"), event(choices=[], usage=USAGE)
    assert fed(stream, first, last, used, DONE) == first + last
    assert stream.end() == used
    assert stream.failure is None
    assert stream.progress.usage is not None
    assert (stream.progress.usage.tokens.input_tokens, stream.progress.model_served) == (3, "gpt-4o-2024")


def test_the_usage_chunk_is_withheld_from_a_client_that_did_not_ask() -> None:
    stream = stream_of(relay=False)
    pieces = (delta("a", usage=None), delta("", finish="stop"))
    assert fed(stream, *pieces, event(choices=[], usage=USAGE), DONE) + stream.end() == b"".join(pieces)
    assert stream.progress.usage is not None


def test_usage_that_counts_up_reaches_the_client_once() -> None:
    stream = stream_of()
    sent = fed(
        stream,
        delta("a", usage={**USAGE, "completion_tokens": 1}),
        delta("b", usage=USAGE),
        delta("", finish="stop"),
        DONE,
    )
    chunks = [json.loads(line[6:]) for line in (sent + stream.end()).decode().splitlines() if line]
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks if chunk.get("usage")] == [2]
    assert chunks[-1]["choices"] == []


def test_usage_on_the_finish_chunk_is_left_there() -> None:
    stream = stream_of()
    pieces = (delta("a"), delta("", finish="stop", usage=USAGE))
    assert fed(stream, *pieces, DONE) + stream.end() == b"".join(pieces)


@pytest.mark.parametrize(
    "broken",
    [b"data: {not json}\n\n", b"data: 7\n\n", b'data: {"error": {"message": "x", "type": "server_error"}}\n\n'],
)
def test_nothing_follows_a_broken_event(broken: bytes) -> None:
    stream = stream_of()
    good = delta("a")
    assert fed(stream, good + broken + delta("b")) == good
    assert isinstance(stream.failure, GatewayError)
    assert stream.failure.status >= 500


def test_an_end_without_a_finish_reason_is_a_failure() -> None:
    for pieces in ((), (delta("a"),), (delta("a"), DONE)):
        stream = stream_of()
        fed(stream, *pieces)
        stream.end()
        assert stream.failure is not None


def test_a_finished_stream_without_done_is_whole_when_all_choices_are() -> None:
    stream = stream_of(rest=b'{"n":2}')
    fed(stream, delta("a"), delta("b", index=1), delta("", finish="stop"))
    stream.end()
    assert stream.failure is not None
    stream = stream_of(rest=b'{"n":2}')
    fed(stream, delta("a"), delta("", finish="stop"), delta("b", index=1, finish="stop"))
    stream.end()
    assert stream.failure is None


def test_a_last_event_without_its_empty_line_is_meant() -> None:
    stream = stream_of()
    sent = fed(stream, delta("a")) + fed(stream, delta("", finish="stop").rstrip(b"\n"))
    assert (sent + stream.end()).endswith(b"}\n\n")
    assert stream.failure is None


def test_an_endless_event_is_a_failure() -> None:
    stream = stream_of()
    for _ in range(9):
        stream.feed(b"data: " + b"x" * 1024 * 1024)
    assert stream.failure is not None


@given(st.lists(st.text(max_size=20), max_size=8), st.lists(st.integers(0, 2000), max_size=12), st.booleans())
def test_how_the_bytes_are_parted_changes_nothing(texts: list[str], places: list[int], relay: bool) -> None:
    pieces = [delta(text, usage=None) for text in texts] + [delta("", finish="stop"), event(choices=[], usage=USAGE)]
    whole = b"".join(pieces) + DONE
    cuts = sorted({min(place, len(whole)) for place in places} | {0, len(whole)})
    stream = stream_of(relay=relay)
    sent = fed(stream, *(whole[start:end] for start, end in pairwise(cuts))) + stream.end()
    assert stream.failure is None
    assert sent == b"".join(pieces if relay else pieces[:-1])
    assert stream.progress.chunks == sum(bool(text) for text in texts)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error": {"message": "no"}}'])
def test_a_plain_answer_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(GatewayError):
        OpenAiTranslation(chat_call(stream=False), PROVIDER).answer(body, {})


def test_groq_s_usage_is_noted_where_it_gives_no_other_and_asks_for_no_second_look() -> None:
    stream = stream_of()
    last = delta("", finish="stop", x_groq={"id": "r", "usage": USAGE})
    assert fed(stream, delta("a", x_groq={"id": "r"}), last, DONE).endswith(last)
    assert stream.end() == b""
    assert stream.progress.usage is not None
    assert stream.progress.usage.tokens.output_tokens == 2


def test_thoughts_in_parts_count_for_an_estimate() -> None:
    stream = stream_of()
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "12345"}]}
    stream.feed(
        event(choices=[{"index": 0, "delta": {"content": [thought, 7, None, {"type": "text", "text": "678"}]}}])
    )
    assert (stream.progress.text_bytes, stream.progress.chunks) == (8, 1)


def test_text_that_is_nested_deeply_is_counted_without_recursion() -> None:
    nested = "[" * 900 + '"x"' + "]" * 900
    stream = stream_of()
    stream.feed(
        b'data: {"choices":[{"delta":{"reasoning":%b,"tool_calls":[{"function":{"arguments":5}}]}}]}\n\n'
        % nested.encode()
    )
    assert (stream.failure, stream.progress.text_bytes) == (None, 1)


def test_comments_are_relayed_between_chunks_and_not_before_the_first() -> None:
    stream, comment = stream_of(), b": keep-alive\n\n"
    assert fed(stream, comment, comment) == b""
    assert fed(stream, delta("a"), comment) == delta("a") + comment
