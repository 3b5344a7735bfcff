"""Chat requests: which are refused, and what the router gets of the others."""

from typing import Any

import orjson
import pytest

from gateway_edge.chat_fields import NEVER_ACCEPTED
from gateway_edge.chat_request import parse_chat_request
from gateway_shared.errors import BadRequest

GOOD: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
MESSAGE = {"role": "user", "content": "hi"}


def parse(**changes: object) -> Any:
    return parse_chat_request(orjson.dumps({**GOOD, **changes}))


@pytest.mark.parametrize(
    ("param", "changes"),
    [
        ("model", {"model": None}),
        ("model", {"model": 7}),
        ("model", {"model": ""}),
        ("model", {"model": "gpt 4o"}),
        ("model", {"model": "gpt-4o\n"}),
        ("model", {"model": "m" * 129}),
        ("messages", {"messages": None}),
        ("messages", {"messages": "hello"}),
        ("messages", {"messages": {}}),
        ("messages", {"messages": []}),
        ("messages", {"messages": [MESSAGE] * 20_001}),
        ("messages[1]", {"messages": [MESSAGE, "hello"]}),
        ("messages[0].role", {"messages": [{"content": "hi"}]}),
        ("messages[0].role", {"messages": [{"role": 1}]}),
        ("messages[0].content", {"messages": [{"role": "user", "content": 1}]}),
        ("messages[0].content", {"messages": [{"role": "user", "content": [{}] * 4_097}]}),
        ("tools", {"tools": [{}] * 513}),
        ("tools", {"tools": {}}),
        ("n", {"n": 0}),
        ("n", {"n": 129}),
        ("n", {"n": "1"}),
        ("n", {"n": True}),
        ("stream", {"stream": "yes"}),
        ("stream", {"stream": 1}),
        ("stream_options", {"stream_options": []}),
        ("stream_options.include_usage", {"stream_options": {"include_usage": "yes"}}),
        ("temperature", {"temperature": "0.1"}),
        ("temperature", {"temperature": True}),
        ("max_tokens", {"max_tokens": 1.5}),
        ("stop", {"stop": 1}),
        ("user", {"user": 1}),
        ("metadata", {"metadata": "x"}),
        ("tool_choice", {"tool_choice": 1}),
        ("response_format", {"response_format": "json"}),
        *[(name, {name: "x"}) for name in sorted(NEVER_ACCEPTED)],
        *[(name, {name: None}) for name in sorted(NEVER_ACCEPTED)],
    ],
)
def test_a_wrong_field_is_refused_by_its_name(param: str, changes: dict[str, object]) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse(**changes)
    assert refusal.value.param == param


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [MESSAGE] * 20_000},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {"model": "meta-llama/Llama-3.3-70B:free@eu"},
        {"temperature": 0, "top_p": 0.5, "n": 128, "seed": -(2**63), "stop": ["a"]},
        {"temperature": None, "stream": None, "tools": None, "user": None},
        {"a_field_of_next_year": {"x": [1, 2.5, None]}},
    ],
)
def test_what_openai_takes_is_taken(changes: dict[str, object]) -> None:
    parse(**changes)


def test_the_router_gets_the_rest_of_the_object_without_the_three_members() -> None:
    chat = parse(stream=True, stream_options={"include_usage": True, "other": 1}, temperature=0.1, unknown=[1])
    assert (chat.model, chat.stream, chat.asks_for_usage) == ("gpt-4o", True, True)
    assert chat.stream_options == {"include_usage": True, "other": 1}
    assert orjson.loads(chat.rest) == {"messages": GOOD["messages"], "temperature": 0.1, "unknown": [1]}


def test_the_last_of_two_members_counts_and_only_it_goes_on() -> None:
    chat = parse_chat_request(b'{"model":"a","messages":[{"role":"user"}],"model":"b","seed":1,"seed":2}')
    assert chat.model == "b"
    assert chat.rest == b'{"messages":[{"role":"user"}],"seed":2}'


@pytest.mark.parametrize(
    ("changes", "end_user"),
    [({}, None), ({"user": "u"}, "u"), ({"user": "u", "safety_identifier": "s"}, "s"), ({"user": ""}, "")],
)
def test_the_end_user_is_who_the_body_names(changes: dict[str, object], end_user: str | None) -> None:
    assert (parse(**changes).end_user or "") == (end_user or "")
