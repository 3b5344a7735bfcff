"""What becomes known about one request while it is answered: the facts of its log line and metrics."""

import os
import time
from dataclasses import dataclass, field

from aiohttp import web

from gateway_edge import metrics
from gateway_shared import canonical_log
from gateway_shared.call_head import Channel
from gateway_shared.ids import uuid7_hex
from gateway_shared.labelled import labelled

CLIENT_CLOSED_REQUEST = 499
"""Logged, never sent: the client was gone first (nginx's number)."""


def new_request_id() -> str:
    """`req_` and a UUIDv7 in hex."""
    return f"req_{uuid7_hex(unix_ms=time.time_ns() // 1_000_000, random_bytes=os.urandom(10))}"


@dataclass(slots=True)
class RequestRecord:
    """`stream` is the answer once its head has been sent; `is_langchain_call` holds once its key is accepted.

    `held_bytes` of its answer count against what is held of bodies (`body.BodyReader`), until its last byte has gone.
    """

    method: str
    route: str
    request_id: str = field(default_factory=new_request_id)
    started_s: float = field(default_factory=time.monotonic)
    headers: dict[str, str] = field(default_factory=dict)
    tenant_id: str | None = None
    key_id: str | None = None
    channel: Channel | None = None
    is_langchain_call: bool = False
    model: str | None = None
    error_code: str | None = None
    stream: web.StreamResponse | None = None
    held_bytes: int = 0

    def close(self, status: int) -> None:
        """Writes the log line and counts the request; call once, when the last byte has gone."""
        duration_s = time.monotonic() - self.started_s
        channel = self.channel or "none"
        labelled(metrics.REQUESTS, channel, f"{status // 100}xx").inc()
        labelled(metrics.DURATION, channel).observe(duration_s)
        if self.is_langchain_call:
            metrics.LANGCHAIN_DURATION.observe(duration_s)
        canonical_log.info(
            "request",
            request_id=self.request_id,
            method=self.method,
            route=self.route,
            status=status,
            duration_ms=round(duration_s * 1_000, 3),
            tenant_id=self.tenant_id,
            key_id=self.key_id,
            channel=self.channel,
            model=self.model,
            error_code=self.error_code,
        )


RECORD = web.RequestKey("record", RequestRecord)
