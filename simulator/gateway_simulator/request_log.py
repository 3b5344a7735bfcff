"""What the simulator received and did, in order: the tests' independent witness of what a gateway sent upstream.

Headers are kept without secrets; bodies only when asked for, else a digest.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway_simulator.answer import Usage

_KEPT = 100_000
_SECRET_HEADERS = {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"}

ENDINGS = ("complete", "error", "client_gone", "drop", "cut", "stalled", "server_stopped")


@dataclass(slots=True)
class LoggedRequest:
    sequence: int
    """In order of arrival, from 1, never used twice."""
    time: str
    """When it was received, RFC 3339 UTC."""
    provider: str
    path: str
    headers: dict[str, str]
    """Lower-case names; those with secrets are left out."""
    key_given: bool
    body_bytes: int
    body_sha256: str
    body: Any = None
    """The JSON, where the simulator was told to keep bodies."""
    response_id: str | None = None
    model: str | None = None
    """As it was asked for."""
    stream: bool = False
    marker: str | None = None
    """The `id=` of a directive."""
    user: str | None = None
    metadata: Any = None
    status: int | None = None
    """None until the status line is sent."""
    events_sent: int = 0
    content_events_sent: int = 0
    content_events_planned: int = 0
    usage: dict[str, int] | None = None
    """The answer's token counts, see `token_counts`, whether or not it came to its end."""
    usage_sent: bool = False
    """The client was sent the final usage."""
    fault: str | None = None
    """The scripted fault that was carried out: status, drop, cut, stall, malformed or error."""
    held: bool = False
    ending: str | None = None
    """One of ENDINGS, None while it runs."""
    client_gone: bool = False
    duration_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "completed": self.ending == "complete"}


@dataclass(slots=True)
class RequestLog:
    keep_bodies: bool = False
    stopping: bool = False
    requests: deque[LoggedRequest] = field(default_factory=lambda: deque(maxlen=_KEPT))
    received: int = 0
    open_requests: int = 0
    open_streams: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    _last_sequence: int = 0

    def receive(
        self, *, time: str, provider: str, path: str, headers: Iterable[tuple[str, str]], key_given: bool, body: bytes
    ) -> LoggedRequest:
        self.received += 1
        self.open_requests += 1
        self._last_sequence += 1
        logged = LoggedRequest(
            sequence=self._last_sequence,
            time=time,
            provider=provider,
            path=path,
            headers={name.lower(): value for name, value in headers if name.lower() not in _SECRET_HEADERS},
            key_given=key_given,
            body_bytes=len(body),
            body_sha256=hashlib.sha256(body).hexdigest(),
        )
        self.requests.append(logged)
        return logged

    @contextmanager
    def open_stream(self) -> Iterator[None]:
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1

    def end(self, logged: LoggedRequest, ending: str, *, duration_ms: float) -> None:
        logged.ending = ending
        logged.client_gone = ending in ("client_gone", "stalled")
        logged.duration_ms = round(duration_ms, 3)
        self.open_requests -= 1
        self.endings[ending] += 1

    def clear(self) -> None:
        """Forget the requests that have ended, and count only the open ones as received."""
        still_open = [logged for logged in self.requests if logged.ending is None]
        self.requests.clear()
        self.requests.extend(still_open)
        self.received = self.open_requests
        self.endings.clear()

    def stats(self) -> dict[str, Any]:
        """received = open_requests + the sum of the endings. `client_gone` includes the stalled, whose client left."""
        return {
            "received": self.received,
            "open_requests": self.open_requests,
            "open_streams": self.open_streams,
            "completed": self.endings["complete"],
            "client_gone": self.endings["client_gone"] + self.endings["stalled"],
            "endings": {ending: self.endings[ending] for ending in ENDINGS},
        }

    def matching(self, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """The entries whose fields equal `wanted` (as text), oldest first."""
        chosen = (
            logged
            for logged in self.requests
            if all(str(getattr(logged, name, None)) == value for name, value in wanted.items())
        )
        return [logged.to_json() for logged in chosen]


def token_counts(usage: Usage) -> dict[str, int]:
    """`input_tokens` and `output_tokens` are totals as in OpenAI's usage; the others are parts of them."""
    return {
        "input_tokens": usage.prompt,
        "cached_input_tokens": usage.cached,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "input_audio_tokens": usage.audio_in,
        "output_tokens": usage.completion,
        "reasoning_tokens": usage.reasoning,
        "output_audio_tokens": usage.audio_out,
    }
