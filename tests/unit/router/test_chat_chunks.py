import json
from typing import Any

from gateway_router.dialects.chat_chunks import ChatChunks
from gateway_shared.usage_event import TokenCounts


def chunks_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in data.decode().splitlines() if line]


def new_chunks() -> ChatChunks:
    return ChatChunks(completion_id="chatcmpl-1", created_s=7, model="m")


def test_the_role_comes_first_and_once() -> None:
    chunks = new_chunks()
    sent = chunks.delta({"content": "a"}) + chunks.delta({"content": "b"})
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks_of(sent)]
    assert deltas == [{"role": "assistant", "content": "a"}, {"content": "b"}]


def test_nothing_is_written_for_nothing() -> None:
    chunks = new_chunks()
    assert chunks_of(chunks.delta({}))[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks.delta({"content": "", "tool_calls": [], "reasoning_content": None}) == b""


def test_a_tool_call_is_named_once_and_always_numbered() -> None:
    chunks = new_chunks()
    call = {"index": 1, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{"}}
    more = {**call, "function": {"name": "f", "arguments": "}"}}
    sent = chunks.delta({"tool_calls": [call]}) + chunks.delta({"tool_calls": [more]})
    first, second = (chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks_of(sent))
    assert first == call
    assert second == {"index": 1, "function": {"arguments": "}"}}


def test_each_choice_finishes_once_with_its_last_reason() -> None:
    chunks = new_chunks()
    chunks.delta({"content": "a"})
    chunks.delta({"content": "b"}, choice=1)
    chunks.finish("stop")
    assert not chunks.finished
    chunks.finish("stop", choice=1)
    chunks.finish("length")
    assert chunks.finished
    finishes = [chunk["choices"][0] for chunk in chunks_of(chunks.finish_events())]
    assert [(choice["index"], choice["finish_reason"]) for choice in finishes] == [(0, "length"), (1, "stop")]


def test_usage_has_no_choices_and_always_the_same_shape() -> None:
    [empty] = chunks_of(new_chunks().usage_event(TokenCounts()))
    [full] = chunks_of(new_chunks().usage_event(TokenCounts(9, 1, 1, 1, 1, 9, 1, 1)))
    assert empty["choices"] == full["choices"] == []
    assert empty["usage"].keys() == full["usage"].keys()
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        assert empty["usage"][name].keys() == full["usage"][name].keys()
