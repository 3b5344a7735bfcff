"""The interface of a dialect: one `Translation` a call, free of input and output.

A translation has the provider's request ready, and turns what the provider answers into what an
OpenAI client reads: a whole answer by `answer`, a stream by a `ChatStream` that is fed what each
read brings. Answers that are errors are not its business (`provider_errors`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway_router import estimate
from gateway_router.configuration import Provider
from gateway_router.usage import Usage
from gateway_shared.errors import GatewayError, ServerError, UpstreamError

MAX_NAME_CHARACTERS = 128
MAX_EVENTS = 500_000
"""Of a translated stream, whose parsers keep something of many: several times the tokens of the longest answers."""
MAX_CHOICES = 128
_LARGE_BODY_BYTES = 8 * 1024


@dataclass(slots=True)
class ChatCall:
    """One call of chat completions; `rest` is the client's JSON object without `model`, `stream` and `stream_options`.

    `completion_id` and `created_s` (Unix time) stand in where the provider gives none.
    """

    upstream_model: str
    stream: bool
    stream_options: Mapping[str, object] | None
    relay_usage: bool
    rest: bytes
    completion_id: str
    created_s: int


@dataclass(slots=True)
class UpstreamRequest:
    """What is sent to the provider, by POST. The headers hold the provider's key: they are never logged.

    `is_sent`: set by the transport when the first byte goes out; until then the provider has seen nothing.
    `connect_timeout_s`: None for the transport's own.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_sent: bool = False
    connect_timeout_s: float | None = None
    _input_tokens: int | None = None

    def estimated_input_tokens(self) -> int:
        """For a call whose usage the provider never told."""
        return estimate.input_tokens(self.body) if self._input_tokens is None else self._input_tokens

    def let_go(self) -> None:
        """The provider has it: a large body is not kept in memory while the answer streams, perhaps for minutes."""
        if len(self.body) > _LARGE_BODY_BYTES:
            self._input_tokens = self.estimated_input_tokens()
            self.body = b""


@dataclass(slots=True)
class Answer:
    """A whole answer: the client's bytes, and what the ledger wants to know. `usage` is None when none was given."""

    body: bytes
    usage: Usage | None
    model_served: str | None
    service_tier: str | None


@dataclass(slots=True)
class Progress:
    """What is known of a stream so far.

    `finished`: a finish reason was seen. `done`: the provider said that nothing follows. `text_bytes`
    and `chunks` count the text and arguments that were relayed, for an estimate.
    """

    usage: Usage | None = None
    model_served: str | None = None
    service_tier: str | None = None
    finished: bool = False
    done: bool = False
    text_bytes: int = 0
    chunks: int = 0


class ChatStream(Protocol):
    """One stream, turned into OpenAI's events; `[DONE]` is never part of what it gives.

    `failure` is set when the provider broke off: what was fed before it has been given, nothing comes after.
    """

    progress: Progress
    failure: GatewayError | None

    @property
    def held_bytes(self) -> int:
        """Of the provider's stream, of what cannot be passed on yet."""
        ...

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for what one read brought; whole events, or nothing."""
        ...

    def end(self) -> bytes:
        """The client's last bytes when the provider's stream has ended; sets `failure` when that was too early."""
        ...


class Translation(Protocol):
    """One call in a provider's dialect."""

    request: UpstreamRequest

    def answer(self, body: bytes, headers: Mapping[str, str], /) -> Answer:
        """Raises UpstreamError for a body that is no answer."""
        ...

    def stream(self, headers: Mapping[str, str], /) -> ChatStream: ...


Translate = Callable[[ChatCall, Provider], Translation]
"""Starts a call in one dialect. Raises BadRequest for what the dialect cannot say."""


def object_with(members: bytes, rest: bytes) -> bytes:
    """The JSON object `rest` with `members` (`"a":1,"b":2`) put in front, without parsing it."""
    if rest[:1] != b"{" or rest[-1:] != b"}":
        raise ServerError("The call's body is not a JSON object.")
    # joined, so that a large body is copied once
    return b"{" + members + b"}" if len(rest) <= 2 else b"".join((b"{", members, b",", memoryview(rest)[1:]))


def said(name: object) -> str | None:
    """What a provider calls a model or a tier, fit to be recorded: at most 128 printable characters.

    None for what is no text. The ledger takes no NUL and no object, the journal no frame without end, and neither
    may lose an event over a name.
    """
    if not isinstance(name, str):
        return None
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        name = "".join(filter(str.isprintable, name[: 4 * MAX_NAME_CHARACTERS]))[:MAX_NAME_CHARACTERS]
    return name or None


def cut_short() -> UpstreamError:
    return UpstreamError("The provider's stream ended before its answer did.")


def malformed() -> UpstreamError:
    return UpstreamError("The provider sent something that is not an event of its API.")
