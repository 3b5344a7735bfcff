"""Whom and what a call is for, as the client says: end user, agent, run, trace (WIRE: What ChatOpenAI sends).

Pure. All of it is a client's word: it is cut to length, cleaned of what cannot be printed, and never trusted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_CHARACTERS = 128
MAX_RETRY_COUNT = 1_000

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, 3.2."""


@dataclass(slots=True)
class Attribution:
    """Each None when the client did not say. `retry_count` is the SDK's own."""

    agent_id: str | None
    agent_run_id: str | None
    agent_parent_run_id: str | None
    traceparent: str | None
    retry_count: int


def attribution_of(headers: Mapping[str, str], metadata: Mapping[str, object]) -> Attribution:
    """A header wins over the member of `metadata` that means the same. `headers` ignores case."""
    traceparent = headers.get("traceparent")
    return Attribution(
        agent_id=_said(headers, metadata, "X-Agent-Id", "agent_id"),
        agent_run_id=_said(headers, metadata, "X-Agent-Run-Id", "agent_run_id"),
        agent_parent_run_id=_said(headers, metadata, "X-Agent-Parent-Run-Id", "agent_parent_run_id"),
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        retry_count=_retry_count(headers.get("x-stainless-retry-count")),
    )


def clean(text: object) -> str | None:
    """At most MAX_CHARACTERS printable characters; None when nothing is left or it is no text."""
    if not isinstance(text, str):
        return None
    return "".join(filter(str.isprintable, text[: 4 * MAX_CHARACTERS])).strip()[:MAX_CHARACTERS] or None


def _said(headers: Mapping[str, str], metadata: Mapping[str, object], header: str, member: str) -> str | None:
    said = headers.get(header)
    if said is None and not metadata:
        return None
    return clean(said) or clean(metadata.get(member))


def _retry_count(text: str | None) -> int:
    if not text:
        return 0
    return min(int(text), MAX_RETRY_COUNT) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
