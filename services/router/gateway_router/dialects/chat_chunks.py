"""Well-formed chunks of one OpenAI stream, from the pieces that a translator brings. Pure (WIRE: streams).

One `id`, `created` and `model` for all; the role first; one finish chunk for each choice, at the end;
usage once, last, with `choices: []`; a tool call's `id` and `name` once, and its `index` always.
"""

from collections.abc import Iterable, Mapping

import orjson

from gateway_router.usage import to_openai
from gateway_shared.sse import write_data
from gateway_shared.usage_event import TokenCounts

Delta = dict[str, object]


class ChatChunks:
    """Writes the events of one stream; set `completion_id` and `model` before the first."""

    def __init__(self, *, completion_id: str, created_s: int, model: str) -> None:
        self.completion_id = completion_id
        self.model = model
        self.service_tier: str | None = None
        self._created_s = created_s
        self._roles_sent: set[int] = set()
        self._tool_calls_named: set[tuple[int, int]] = set()
        self._finish_reasons: dict[int, str] = {}

    def delta(self, delta: Delta, *, choice: int = 0) -> bytes:
        """One event for what is in `delta`, or nothing when it holds nothing; the role is added."""
        pieces = {name: value for name, value in delta.items() if value is not None and value != [] and value != ""}
        pieces.pop("role", None)
        if "tool_calls" in pieces:
            pieces["tool_calls"] = [self._tool_call(choice, call) for call in _objects(pieces["tool_calls"])]
        if choice not in self._roles_sent:
            self._roles_sent.add(choice)
            pieces = {"role": "assistant", "content": pieces.pop("content", "" if not pieces else None), **pieces}
        return self._chunk([_choice(choice, pieces, None)]) if pieces else b""

    def finish(self, reason: str, *, choice: int = 0) -> None:
        """Keeps the reason for `finish_events`; the last one counts."""
        self._finish_reasons[choice] = reason

    @property
    def finished(self) -> bool:
        """Whether every choice that was begun has its finish reason."""
        return bool(self._finish_reasons) and self._roles_sent <= self._finish_reasons.keys()

    def finish_events(self) -> bytes:
        events = [self.delta({}, choice=choice) for choice in self._finish_reasons if choice not in self._roles_sent]
        events += [self._chunk([_choice(choice, {}, reason)]) for choice, reason in self._finish_reasons.items()]
        return b"".join(events)

    def usage_event(self, tokens: TokenCounts) -> bytes:
        return self.said_usage(to_openai(tokens))

    def said_usage(self, usage: Mapping[str, object]) -> bytes:
        """The same of OpenAI's `usage` object."""
        return self._chunk([], usage=usage)

    def _tool_call(self, choice: int, call: Mapping[str, object]) -> Delta:
        index = call.get("index")
        index = index if isinstance(index, int) else 0
        function = call.get("function")
        function = dict(function) if isinstance(function, Mapping) else {}
        piece: Delta = {"index": index, "function": {"arguments": function.get("arguments") or ""}}
        if (choice, index) not in self._tool_calls_named:
            self._tool_calls_named.add((choice, index))
            piece = {"index": index, "id": call.get("id"), "type": "function"}
            piece["function"] = {"name": function.get("name"), "arguments": function.get("arguments") or ""}
        return piece

    def _chunk(self, choices: list[Delta], *, usage: Mapping[str, object] | None = None) -> bytes:
        chunk: dict[str, object] = {
            "id": self.completion_id,
            "object": "chat.completion.chunk",
            "created": self._created_s,
            "model": self.model,
            "choices": choices,
        }
        if self.service_tier is not None:
            chunk["service_tier"] = self.service_tier
        if usage is not None:
            chunk["usage"] = usage
        return write_data(orjson.dumps(chunk))


def _choice(index: int, delta: Delta, finish_reason: str | None) -> Delta:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _objects(value: object) -> Iterable[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
