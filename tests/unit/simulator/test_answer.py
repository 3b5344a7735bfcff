"""The plan of an answer: its text, its tool calls and a usage that can be worked out by hand."""

from dataclasses import replace
from typing import Any

import pytest

from gateway_simulator.answer import Answer, Usage, plan_answer
from gateway_simulator.conversation import Conversation, Tool
from gateway_simulator.directives import DirectiveInvalid, Directives, directives_in, merge_directives

WEATHER = Tool(
    "get_weather", {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
)
CLOCK = Tool("get_time", {"type": "object", "properties": {}})


def asked(text: str, **members: Any) -> Conversation:
    known: dict[str, Any] = {"model": "m", "stream": False, "texts": (text,), "last_user_text": text}
    return Conversation(**{**known, "tool_result_last": False, **members})


def answer_to(text: str, **members: Any) -> Answer:
    return plan_answer(asked(text, **members), merge_directives(directives_in(text)))


@pytest.mark.parametrize(
    ("text", "said", "output"),
    [
        ("hello there", "You said: hello there", 4),
        ("  ", "You said nothing.", 3),
        ("[[sim words=3]]", "the gateway answers", 3),
        ("[[sim words=0]]", "", 0),
        ('[[sim text="one two"]] ignored', "one two", 2),
        ("[[sim n_same=4]]", "same same same same ", 4),
        ("word " * 40, "You said: " + " ".join(["word"] * 32), 34),
    ],
)
def test_the_text_is_known_beforehand(text: str, said: str, output: int) -> None:
    answer = answer_to(text)
    assert (answer.text, "".join(answer.pieces), answer.usage.output) == (said, said, output)
    assert answer.finish_reason == "stop"


def test_every_kind_of_token_is_counted_once() -> None:
    on_top = "cached=10 cache_write=5 cache_write_1h=4 reasoning=7 audio_in=2 audio_out=1"
    text = f"four words with this [[sim words=3 {on_top}]]"
    usage = answer_to(text, texts=("a system prompt", text)).usage
    words_in = 3 + 4 + 8
    assert usage == Usage(words_in, 10, 5, 4, 2, 3, 7, 1)
    assert (usage.prompt, usage.completion) == (words_in + 10 + 5 + 4 + 2, 3 + 7 + 1)


def test_counts_can_be_set() -> None:
    usage = answer_to("[[sim input=86 cached=1920 output=300]]").usage
    assert (usage.prompt, usage.completion) == (2006, 300)


def test_each_choice_is_counted() -> None:
    assert answer_to("[[sim words=3]]", choices=2).usage.output == 6


@pytest.mark.parametrize(
    ("text", "members", "called"),
    [
        ("hello", {}, []),
        ("hello", {"tool_required": True}, ["get_weather"]),
        ("hello", {"named_tool": "get_time"}, ["get_time"]),
        ("[[sim tool]]", {}, ["get_weather"]),
        ("[[sim tool=get_time]]", {}, ["get_time"]),
        ("[[sim tool calls=3]]", {}, ["get_weather", "get_time", "get_weather"]),
        ("[[sim tool calls=3]]", {"parallel_tool_calls": False}, ["get_weather"]),
        ("[[sim tool]]", {"tool_result_last": True}, []),
        ("[[sim tool]]", {"tools_allowed": False}, []),
        ("[[sim tool]]", {"tools": ()}, []),
        ("hello", {"tool_required": True, "tool_result_last": True, "called_tools": ("get_weather",)}, ["get_time"]),
        ("hello", {"tool_required": True, "called_tools": ("get_weather", "get_time")}, ["get_time"]),
    ],
)
def test_tools_are_called_when_forced_or_asked_for(text: str, members: dict[str, Any], called: list[str]) -> None:
    answer = answer_to(text, **{"tools": (WEATHER, CLOCK), **members})
    assert [call.name for call in answer.tool_calls] == called
    assert answer.finish_reason == ("tool_calls" if called else "stop")
    assert (answer.text == "") == bool(called)


def test_a_tool_call_counts_its_top_level_arguments_and_one() -> None:
    answer = answer_to("In 'Paris' for 5 days [[sim tool calls=2]]", tools=(WEATHER, CLOCK))
    assert answer.tool_calls[0].arguments == {"city": "Paris", "days": 5}
    assert answer.usage.output == 3 + 1


def test_arguments_can_be_given() -> None:
    answer = answer_to("""[[sim tool args='{"x": [1, 2]}']]""", tools=(WEATHER,))
    assert answer.tool_calls[0].arguments == {"x": [1, 2]}
    assert "".join(answer.tool_calls[0].pieces) == '{"x":[1,2]}'


@pytest.mark.parametrize("directive", ["tool=unknown", "tool args=[1]", "tool args={"])
def test_an_impossible_tool_call_is_told(directive: str) -> None:
    with pytest.raises(DirectiveInvalid):
        answer_to(f"[[sim {directive}]]", tools=(WEATHER,))


def test_after_a_tool_result_the_answer_is_its_echo() -> None:
    answer = answer_to("weather?", texts=("weather?", "18 degrees"), tools=(WEATHER,), tool_result_last=True)
    assert answer.text == "The tool said: 18 degrees"


def test_structured_output_follows_the_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert answer_to("hi", response_schema=schema).text == '{"n":1}'
    assert answer_to("Use 'setup' and 'end' keys", json_object=True).text == '{"setup":"text","end":"text"}'
    assert answer_to("hi", json_object=True).text == '{"answer":"text"}'


@pytest.mark.parametrize(
    ("members", "said", "finish_reason", "stop_sequence"),
    [
        ({"max_output_tokens": 3}, "You said: one", "length", None),
        ({"max_output_tokens": 6}, "You said: one two three four", "stop", None),
        ({"stop_sequences": ("four", "three")}, "You said: one two ", "stop", "three"),
        ({"stop_sequences": ("four",), "max_output_tokens": 2}, "You said:", "length", None),
    ],
)
def test_limits_are_kept(members: dict[str, Any], said: str, finish_reason: str, stop_sequence: str | None) -> None:
    answer = answer_to("one two three four", **members)
    assert (answer.text, answer.finish_reason, answer.stop_sequence) == (said, finish_reason, stop_sequence)


def test_a_refusal_takes_the_place_of_the_text() -> None:
    answer = answer_to('[[sim refusal="not that"]]')
    assert (answer.refusal, answer.text, answer.usage.output) == ("not that", "", 2)


def test_thoughts_are_shown_only_where_asked_for_but_always_counted() -> None:
    hidden = answer_to("[[sim reasoning=8]]")
    shown = plan_answer(replace(asked("hi"), thinking_shown=True), Directives(reasoning=8))
    by_itself = plan_answer(asked("hi", thinking_shown=True), Directives())
    assert (hidden.thinking, hidden.usage.reasoning) == ("", 8)
    assert (len(shown.thinking.split()), shown.usage.reasoning) == (8, 8)
    assert (len(by_itself.thinking.split()), by_itself.usage.reasoning) == (6, 6)
