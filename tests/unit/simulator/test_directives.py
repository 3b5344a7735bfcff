"""What a test writes into a prompt is what the simulator does; a slip in it is told, not ignored."""

from typing import Any

import pytest

from gateway_simulator.directives import (
    DirectiveInvalid,
    Directives,
    directives_in,
    merge_directives,
    parse_directive,
    without_directives,
)
from gateway_simulator.script import Script


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("hello", {}),
        ("[[sim]] hello", {}),
        ("[[sim words=200 delay_ms=0.5]] hello", {"words": 200, "delay_ms": 0.5}),
        ("a [[sim tool no_usage]] b [[sim tool=weather]]", {"tool": "weather", "no_usage": True}),
        ('[[sim message="try later" retry_after=7]]', {"message": "try later", "retry_after": "7"}),
        ("[[sim\n words=1\n args='{\"a\": 1}']]", {"words": 1, "args": '{"a": 1}'}),
        ("[[simulate words=1]]", {}),
    ],
)
def test_directives_are_read_from_the_text(text: str, settings: dict[str, Any]) -> None:
    assert directives_in(text) == settings
    merge_directives(settings)


@pytest.mark.parametrize(
    "words",
    [
        "wrods=3",
        "words=many",
        "words",
        "words=-1",
        "words=1.5",
        "no_done=yes",
        "cut=soft",
        "finish=done",
        "status=200",
        "split=0",
        'message="open',
    ],
)
def test_a_slip_in_a_directive_is_told(words: str) -> None:
    with pytest.raises(DirectiveInvalid, match=words.partition("=")[0]):
        merge_directives(parse_directive(words))


def test_the_echo_leaves_directives_out() -> None:
    assert without_directives("say [[sim words=3]] it") == "say  it"


def test_later_layers_win() -> None:
    assert merge_directives({"words": 1, "cached": 2}, {"words": 3}) == Directives(words=3, cached=2)


def test_a_script_applies_to_its_provider_model_and_count() -> None:
    script = Script()
    script.replace(
        {
            "rules": [
                {"directive": "status=503", "model": "gpt-4o", "requests": 2},
                {"directive": "words=5", "provider": "google"},
            ]
        }
    )
    assert [script.take("openai", "gpt-4o") for _ in range(3)] == [{"status": 503}, {"status": 503}, {}]
    assert script.take("openai", "gpt-4o-mini") == {}
    assert script.take("google", "gpt-4o") == {"words": 5}
    script.clear()
    assert script.take("google", "gpt-4o") == {}


@pytest.mark.parametrize(
    "rules",
    ["words=1", {"directive": 1}, {"directive": "wrods=1"}, {"directive": "words=1", "modle": "x"}, {"rules": {}}]
    + [{"directive": "words=1", "requests": requests} for requests in (0, -1, 1.5, True, "2")],
)
def test_a_slip_in_a_script_is_told_and_leaves_the_old_one(rules: object) -> None:
    script = Script()
    script.replace({"directive": "words=5"})
    with pytest.raises(DirectiveInvalid):
        script.replace(rules)
    assert script.take("openai", "gpt-4o") == {"words": 5}
