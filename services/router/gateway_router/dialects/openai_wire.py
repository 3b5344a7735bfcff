"""OpenAI's own wire, passed through: the provider's bytes are the client's (WIRE).

Every event is read once (1.5 µs, less than searching it for what matters) but its bytes go on as they
came. Kept back are `[DONE]`, which the call sends when usage is recorded, and the usage chunk: sent
last to a client that gets it, withheld from one that does not.
"""

from collections.abc import Mapping

import orjson

from gateway_router import usage
from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import (
    MAX_CHOICES,
    Answer,
    ChatCall,
    Progress,
    cut_short,
    malformed,
    said,
)
from gateway_router.dialects.openai_request import openai_request
from gateway_router.dialects.provider_errors import event_refusal, refusal
from gateway_router.estimate import text_bytes
from gateway_shared.errors import GatewayError, UpstreamError
from gateway_shared.sse import EventSplitter, EventTooLong, data_of, write_data


class OpenAiTranslation:
    """One call to a provider that speaks OpenAI's wire."""

    def __init__(self, call: ChatCall, provider: Provider) -> None:
        self._secret = provider.api_key.reveal()
        self._relay_usage = call.relay_usage
        # choices are counted for a stream only, and many are rarely asked for
        self._choices = _choices_asked(call.rest) if call.stream and b'"n"' in call.rest else 1
        self.request = openai_request(call, provider)

    def answer(self, body: bytes, _headers: Mapping[str, str], /) -> Answer:
        try:
            completion = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise UpstreamError("The provider's answer is not JSON.") from error
        if not isinstance(completion, dict):
            raise UpstreamError("The provider's answer is not a JSON object.")
        if "choices" not in completion:
            if completion.get("error"):
                raise refusal(502, body, retry_after=None, secret=self._secret)
            raise UpstreamError("The provider's answer has no choices.")
        used = completion.get("usage")
        return Answer(
            body,
            usage.from_openai(used) if isinstance(used, dict) else None,
            said(completion.get("model")),
            said(completion.get("service_tier")),
        )

    def stream(self, _headers: Mapping[str, str], /) -> "OpenAiStream":
        return OpenAiStream(self._secret, relay_usage=self._relay_usage, choices=self._choices)


class OpenAiStream:
    """A ChatStream whose events are the provider's own bytes; `choices` is how many the client asked for."""

    def __init__(self, secret: str, *, relay_usage: bool, choices: int) -> None:
        self.progress = Progress()
        self.failure: GatewayError | None = None
        self._relay_usage = relay_usage
        self._choices = choices
        self._secret = secret
        self._splitter = EventSplitter()
        self._usage_event = b""
        self._usage_relayed = self._begun = False
        self._finished_choices: set[int] = set()

    @property
    def held_bytes(self) -> int:
        return self._splitter.held_bytes + len(self._usage_event)

    def feed(self, data: bytes) -> bytes:
        if self.progress.done:
            return b""
        try:
            events = self._splitter.feed(data)
        except EventTooLong:
            self.failure = malformed()
            return b""
        if len(events) == 1:
            return self._event(events[0])
        relayed: list[bytes] = []
        for event in events:
            relayed.append(self._event(event))
            if self.failure or self.progress.done:
                break
        return b"".join(relayed)

    def end(self) -> bytes:
        # an event whose last empty line is missing was meant all the same
        last = b"" if self.progress.done else self._last_event()
        if self.failure is None and not (self.progress.done or self._all_choices_finished()):
            self.failure = cut_short()
        if self.failure is None and not self.progress.finished:
            self.failure = cut_short()
        return last if self.failure else last + self._usage_event

    def _last_event(self) -> bytes:
        rest = self._splitter.flush()
        if not rest.strip():
            return b""
        return self._event(rest.rstrip(b"\r\n") + b"\n\n")

    def _event(self, event: bytes) -> bytes:
        """What the client gets for one whole event."""
        data = data_of(event)
        if data is None:
            # a comment before the first chunk would commit the answer, which could then be had from nobody else
            return event if self._begun and event.lstrip(b"\r\n").startswith(b":") else b""
        if data == b"[DONE]":
            self.progress.done = True
            return b""
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            chunk = None
        if not isinstance(chunk, dict):
            self.failure = malformed()
            return b""
        if chunk.get("error"):
            self.failure = event_refusal(chunk["error"], secret=self._secret)
            return b""
        return self._chunk(chunk, event)

    def _chunk(self, chunk: dict[str, object], event: bytes) -> bytes:
        progress = self.progress
        self._begun = True
        if progress.model_served is None:
            progress.model_served = said(chunk.get("model"))
        service_tier = chunk.get("service_tier")
        if service_tier is not None and service_tier != progress.service_tier:
            progress.service_tier = said(service_tier)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            choices = []
        finishes = False
        for choice in choices:
            if isinstance(choice, dict) and self._count(choice):
                finishes = True
        used = chunk.get("usage")
        if not isinstance(used, dict):
            if "x_groq" in chunk:
                self._note_groq_usage(chunk["x_groq"])
            return event
        progress.usage = usage.from_openai(used)
        if not choices:
            self._usage_event = event if self._relay_usage and not self._usage_relayed else b""
            return b""
        if self._relay_usage:
            return self._usage_beside_choices(chunk, event, finished=finishes)
        return event

    def _usage_beside_choices(self, chunk: dict[str, object], event: bytes, *, finished: bool) -> bytes:
        """Some providers count up in every chunk, and clients add up what they get: one is let through, the last."""
        if finished and not self._usage_relayed:
            self._usage_relayed, self._usage_event = True, b""
            return event
        if not self._usage_relayed:
            self._usage_event = write_data(orjson.dumps({**chunk, "choices": []}))
        return write_data(orjson.dumps({name: value for name, value in chunk.items() if name != "usage"}))

    def _note_groq_usage(self, x_groq: object) -> None:
        """Where Groq tells what was used, whether it was asked or not."""
        used = x_groq.get("usage") if isinstance(x_groq, dict) else None
        if isinstance(used, dict) and self.progress.usage is None:
            self.progress.usage = usage.from_openai(used)

    def _count(self, choice: dict[str, object]) -> bool:
        """Counts what a choice brings; whether it finishes there."""
        delta = choice.get("delta")
        if isinstance(delta, dict) and (text := _text_bytes(delta)):
            self.progress.text_bytes += text
            self.progress.chunks += 1
        if choice.get("finish_reason") is None:
            return False
        self.progress.finished = True
        index = choice.get("index")
        if len(self._finished_choices) < MAX_CHOICES:
            self._finished_choices.add(index if isinstance(index, int) else 0)
        return True

    def _all_choices_finished(self) -> bool:
        """For a stream without `[DONE]`."""
        return len(self._finished_choices) >= self._choices


def _choices_asked(rest: bytes) -> int:
    asked = orjson.loads(rest).get("n")
    return asked if isinstance(asked, int) else 1


def _text_bytes(delta: dict[str, object]) -> int:
    if len(delta) == 1 and type(text := delta.get("content")) is str:
        return text_bytes(text)  # as nearly all are
    total = sum(_length(delta.get(name)) for name in ("content", "refusal", "reasoning_content", "reasoning"))
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            total += _length(function.get("arguments")) + _length(function.get("name"))
    return total


def _length(text: object) -> int:
    """Of a text, or of the parts of one: Mistral's thoughts are parts within a part."""
    total, pending = 0, [text]
    while pending:
        piece = pending.pop()
        if isinstance(piece, str):
            total += text_bytes(piece)
        elif isinstance(piece, list):
            pending += piece
        elif isinstance(piece, dict):
            pending += (piece.get("text"), piece.get("thinking"))
    return total
