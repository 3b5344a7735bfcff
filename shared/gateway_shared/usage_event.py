"""The usage event: one attempt, one call to one provider, as it travels from journal to ledger.

On the wire an event is one JSON object on one line; a broker message holds one or more lines.
Counts are tokens. `input_tokens` includes cache reads and writes, `output_tokens` includes
reasoning and audio: the parts are never added to the whole. Times are UTC and microseconds.
Whoever reads one does not change it; not `frozen`, which would make each one four times as slow to make.
"""

from dataclasses import dataclass, fields
from typing import Literal, Self, get_args

import orjson

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 2 added `end_user_name`; before it, `end_user` was the plain name where a tenant had opted in."""

Status = Literal["settled", "partial", "failed", "unknown"]
FinishState = Literal[
    "complete", "client_disconnect", "upstream_cut", "upstream_error", "timeout", "not_sent", "gateway_lost"
]
UsageSource = Literal["provider", "drained", "estimated", "unknown", "none"]

CLOSED_SETS: dict[str, tuple[str, ...]] = {
    "status": get_args(Status),
    "finish_state": get_args(FinishState),
    "usage_source": get_args(UsageSource),
    "channel": ("langchain", "standard"),
}
MAX_TOKENS = 2**53 - 1


class UsageEventInvalid(ValueError):
    """The bytes are not a usage event of a known schema version."""


@dataclass(slots=True)
class TokenCounts:
    """Tokens of one attempt; `input_tokens` and `output_tokens` are totals, the rest are parts of them."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0


@dataclass(slots=True, kw_only=True)
class UsageEvent:
    """One attempt, ended.

    `producer` is `<instance>/<boot>` and `sequence` counts that producer's events from 1 without a
    gap. `provider` is the name the operator gave it, `price_provider` whose prices apply.
    `model_requested` is the client's word, `model_upstream` what the provider was asked for and
    `model_served` what it says it used. `started_at` is RFC 3339 in UTC; `http_status` is the
    provider's, 0 when none came.
    `end_user` is always a pseudonym; `end_user_name` is who it stands for, where the tenant opted in.
    `status`: settled (the provider finished), partial (it was cut), failed (it refused, or was never
    reached), unknown (the gateway was lost). `usage_source` `none` means that nothing was used.
    """

    event_id: str
    request_id: str
    attempt: int
    is_final: bool
    producer: str
    sequence: int
    tenant_id: str
    user_id: str
    key_id: str
    plan_id: str
    channel: str
    end_user: str | None
    agent_id: str | None
    agent_run_id: str | None
    agent_parent_run_id: str | None
    traceparent: str | None
    client_retry_count: int
    endpoint: str
    stream: bool
    provider: str
    price_provider: str
    model_requested: str
    model_upstream: str
    model_served: str | None
    service_tier: str | None
    started_at: str
    duration_us: int
    time_to_first_token_us: int | None
    http_status: int
    status: Status
    finish_state: FinishState
    usage_source: UsageSource
    tokens: TokenCounts
    end_user_name: str | None = None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises UsageEventInvalid with the first thing that is wrong."""
        try:
            row = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise UsageEventInvalid(f"not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageEventInvalid("not a JSON object")
        if row.get("schema_version") not in READABLE_VERSIONS:
            raise UsageEventInvalid(f"unknown schema_version {row.get('schema_version')!r}")
        try:
            tokens = TokenCounts(**row.pop("tokens"))
            event = cls(**row, tokens=tokens)
        except (TypeError, KeyError) as error:
            raise UsageEventInvalid(str(error)) from error
        event.check()
        return event

    def check(self) -> None:
        """Raises UsageEventInvalid when a field is outside its closed set or range."""
        for name, allowed in CLOSED_SETS.items():
            if getattr(self, name) not in allowed:
                raise UsageEventInvalid(f"{name} {getattr(self, name)!r} is not one of {allowed}")
        for field in fields(TokenCounts):
            count = getattr(self.tokens, field.name)
            if type(count) is not int or not 0 <= count <= MAX_TOKENS:
                raise UsageEventInvalid(f"tokens.{field.name} {count!r} is not a token count")
        for name, optional in _TEXTS:
            text = getattr(self, name)
            if (text is None and not optional) or not isinstance(text, str | None) or "\0" in (text or ""):
                raise UsageEventInvalid(f"{name} is not a text")
        for name, optional in _NUMBERS:
            number = getattr(self, name)
            if not (type(number) is int and 0 <= number < 2**63) and not (optional and number is None):
                raise UsageEventInvalid(f"{name} is not a number from 0 up")
        for name in ("is_final", "stream"):
            if type(getattr(self, name)) is not bool:
                raise UsageEventInvalid(f"{name} is neither true nor false")
        if self.attempt < 1 or self.sequence < 1:
            raise UsageEventInvalid("attempt and sequence count from 1")


_TEXTS = [(field.name, field.type == (str | None)) for field in fields(UsageEvent) if field.type in (str, str | None)]
_NUMBERS = [(field.name, field.type == (int | None)) for field in fields(UsageEvent) if field.type in (int, int | None)]
