"""What the edge tells the router about one call: everything but the rest of the body.

`model`, `stream` and `stream_options` are taken out of the client's object and travel here; the
router puts them back in front of the remaining bytes, so only translated dialects parse those.
"""

from dataclasses import dataclass
from typing import Literal, Self

import orjson

Channel = Literal["langchain", "standard"]


@dataclass(slots=True)
class Caller:
    """Who pays: the part of a grant that the router and the ledger need."""

    tenant_id: str
    user_id: str
    key_id: str
    plan_id: str
    channel: Channel


@dataclass(slots=True)
class CallHead:
    """`relay_usage`: whether this client receives the usage chunk of a stream.

    `endpoint` is the OpenAI path below /v1 with dots (`chat.completions`). `end_user` is the id
    named in the body (`user` or `safety_identifier`), as the tenant's keyed HMAC, and `end_user_name`
    the same id as it came, where the tenant opted in to plain ids. `retry_count` is the SDK's own
    (`x-stainless-retry-count`).
    """

    request_id: str
    endpoint: str
    model: str
    stream: bool
    stream_options: dict[str, object] | None
    relay_usage: bool
    caller: Caller
    end_user: str | None = None
    end_user_name: str | None = None
    agent_id: str | None = None
    agent_run_id: str | None = None
    agent_parent_run_id: str | None = None
    traceparent: str | None = None
    retry_count: int = 0

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        fields = orjson.loads(data)
        return cls(**{**fields, "caller": Caller(**fields["caller"])})
