"""Plans an answer: a conversation and its directives in, text, tool calls and usage out. Pure; the dialects render it.

The usage can be worked out by hand:

- input: whitespace-separated words of every text in system and messages, directives and tool results included;
- cached, cache-written and input audio tokens come on top of it, from the directives;
- output: words of the answer's text or refusal; of a tool call, the number of its top-level arguments + 1;
- reasoning (`reasoning=`, else the words of the thinking text where it is shown) and output audio come on top of it.

`input=` and `output=` replace the counts of words. What is on top stands where the provider puts it: inside OpenAI's
`prompt_tokens` and `completion_tokens`; beside Anthropic's `input_tokens`, but reasoning inside its `output_tokens`;
inside Google's `promptTokenCount`, but reasoning beside its `candidatesTokenCount`.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from gateway_simulator.conversation import Conversation, Tool
from gateway_simulator.directives import DirectiveInvalid, Directives, without_directives
from gateway_simulator.hints import Hints, hints_in
from gateway_simulator.json_schema import build_instance

_VOCABULARY = ("the", "gateway", "answers", "every", "call", "and", "writes", "down", "what", "it", "cost", "before")
_THOUGHTS = ("let", "me", "think", "about", "this", "first")
_ANY_OBJECT = {"type": "object", "additionalProperties": True}
_ECHOED_WORDS = 32
_JSON_PIECE = 8
"""Characters of a streamed piece of JSON."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by kind, each counted once: no field includes another."""

    input: int
    cached: int
    cache_write_5m: int
    cache_write_1h: int
    audio_in: int
    output: int
    reasoning: int
    audio_out: int

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """All input, OpenAI's `prompt_tokens`."""
        return self.input + self.cached + self.cache_write + self.audio_in

    @property
    def completion(self) -> int:
        """All output, OpenAI's `completion_tokens`."""
        return self.output + self.reasoning + self.audio_out


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: dict[str, Any]

    @property
    def pieces(self) -> list[str]:
        return _slices(orjson.dumps(self.arguments).decode())


@dataclass(frozen=True, slots=True)
class Answer:
    model: str
    text: str
    pieces: tuple[str, ...]
    """The text as it is streamed; joined they are the text."""
    thinking: str
    """Shown only where the request asked for thoughts; else empty."""
    tool_calls: tuple[ToolCall, ...]
    refusal: str | None
    finish_reason: str
    """OpenAI's vocabulary: stop, length, tool_calls, content_filter."""
    stop_sequence: str | None
    usage: Usage
    choices: int
    service_tier: str | None
    include_usage: bool
    named_tool_forced: bool
    no_usage: bool
    no_finish: bool
    no_done: bool

    @property
    def refusal_pieces(self) -> list[str]:
        return split_words(self.refusal or "")


def plan_answer(conversation: Conversation, directives: Directives) -> Answer:
    """What the simulated model says. Raises DirectiveInvalid, SchemaUnsupported."""
    hints = hints_in(without_directives(conversation.last_user_text))
    calls = _tool_calls(conversation, directives, hints)
    refusal = _refusal(directives) if not calls else None
    text, pieces = ("", []) if calls or refusal else _text(conversation, directives, hints)
    pieces, finish_reason, stop_sequence = _limited(pieces, conversation)
    if calls:
        finish_reason = "tool_calls"
    thinking = _thinking(directives) if conversation.thinking_shown else ""
    text = "".join(pieces)
    return Answer(
        model=directives.model or conversation.model,
        text=text,
        pieces=tuple(pieces),
        thinking=thinking,
        tool_calls=calls,
        refusal=refusal,
        finish_reason=directives.finish or finish_reason,
        stop_sequence=stop_sequence,
        usage=_usage(conversation, directives, output=_words_out(text, refusal, calls), thinking=thinking),
        choices=conversation.choices,
        service_tier=directives.service_tier or conversation.service_tier,
        include_usage=conversation.include_usage,
        named_tool_forced=bool(calls) and conversation.named_tool is not None,
        no_usage=directives.no_usage,
        no_finish=directives.no_finish,
        no_done=directives.no_done,
    )


def split_words(text: str) -> list[str]:
    """The text in pieces of one word each, a space before all but the first, as providers stream it."""
    return re.findall(r"\s*\S+|\s+$", text)


def _tool_calls(conversation: Conversation, directives: Directives, hints: Hints) -> tuple[ToolCall, ...]:
    """A forced choice is always obeyed, as providers do; one asked for by directive only until there is a result.

    Where any tool will do, the first that has not been called yet: an agent's loop ends with its last tool.
    """
    if not conversation.tools or not conversation.tools_allowed:
        return ()
    asked = directives.tool is not False and not conversation.tool_result_last
    if not (conversation.tool_required or conversation.named_tool or asked):
        return ()
    wanted = conversation.named_tool or (directives.tool if isinstance(directives.tool, str) else None)
    fresh = [tool for tool in conversation.tools if tool.name not in conversation.called_tools]
    offered = (
        [tool for tool in conversation.tools if tool.name == wanted] if wanted else fresh or conversation.tools[-1:]
    )
    if not offered:
        raise DirectiveInvalid(f"tool {wanted} is not offered")
    count = directives.calls if conversation.parallel_tool_calls else min(directives.calls, 1)
    return tuple(_tool_call(offered[nth % len(offered)], directives, hints) for nth in range(count))


def _tool_call(tool: Tool, directives: Directives, hints: Hints) -> ToolCall:
    if directives.args is None:
        arguments = build_instance({"type": "object", **tool.parameters}, hints)
    else:
        try:
            arguments = orjson.loads(directives.args)
        except orjson.JSONDecodeError as error:
            raise DirectiveInvalid(f"args: {error}") from error
    if not isinstance(arguments, dict):
        raise DirectiveInvalid("args: expected a JSON object")
    return ToolCall(name=tool.name, arguments=arguments)


def _refusal(directives: Directives) -> str | None:
    if directives.refusal is False:
        return None
    return (
        directives.refusal if isinstance(directives.refusal, str) else "I'm sorry, I cannot assist with that request."
    )


def _text(conversation: Conversation, directives: Directives, hints: Hints) -> tuple[str, list[str]]:
    if directives.n_same is not None:
        pieces = ["same "] * directives.n_same
    elif directives.text is not None:
        pieces = split_words(directives.text)
    elif directives.words is not None:
        pieces = split_words(" ".join(_cycled(_VOCABULARY, directives.words)))
    elif conversation.response_schema is not None:
        pieces = _slices(orjson.dumps(build_instance(conversation.response_schema, hints)).decode())
    elif conversation.json_object:
        pieces = _slices(orjson.dumps(build_instance(_ANY_OBJECT, hints) or {"answer": "text"}).decode())
    else:
        pieces = split_words(_echo(conversation))
    return "".join(pieces), pieces


def _echo(conversation: Conversation) -> str:
    if conversation.tool_result_last:
        result = conversation.texts[-1] if conversation.texts else ""
        return f"The tool said: {' '.join(result.split()[:_ECHOED_WORDS])}"
    words = without_directives(conversation.last_user_text).split()
    return f"You said: {' '.join(words[:_ECHOED_WORDS])}" if words else "You said nothing."


def _limited(pieces: list[str], conversation: Conversation) -> tuple[list[str], str, str | None]:
    """The pieces up to the first stop sequence or the token limit, with the finish reason and the stop sequence met."""
    text = "".join(pieces)
    cuts = [(text.find(stop), stop) for stop in conversation.stop_sequences if stop and stop in text]
    finish_reason, stop_sequence = "stop", None
    if cuts:
        end, stop_sequence = min(cuts)
        pieces = split_words(text[:end])
    limit = conversation.max_output_tokens
    if limit is not None and len("".join(pieces).split()) > limit:
        pieces, finish_reason, stop_sequence = split_words("".join(pieces))[:limit], "length", None
    return pieces, finish_reason, stop_sequence


def _thinking(directives: Directives) -> str:
    count = len(_THOUGHTS) if directives.reasoning is None else directives.reasoning
    return " ".join(_cycled(_THOUGHTS, count))


def _words_out(text: str, refusal: str | None, calls: tuple[ToolCall, ...]) -> int:
    return len((refusal or text).split()) + sum(len(call.arguments) + 1 for call in calls)


def _usage(conversation: Conversation, directives: Directives, *, output: int, thinking: str) -> Usage:
    words_in = sum(len(text.split()) for text in conversation.texts)
    return Usage(
        input=words_in if directives.input is None else directives.input,
        cached=directives.cached,
        cache_write_5m=directives.cache_write,
        cache_write_1h=directives.cache_write_1h,
        audio_in=directives.audio_in,
        output=output * conversation.choices if directives.output is None else directives.output,
        reasoning=len(thinking.split()) if directives.reasoning is None else directives.reasoning,
        audio_out=directives.audio_out,
    )


def _cycled(words: tuple[str, ...], count: int) -> list[str]:
    return [words[nth % len(words)] for nth in range(count)]


def _slices(text: str) -> list[str]:
    return [text[start : start + _JSON_PIECE] for start in range(0, len(text), _JSON_PIECE)]
