"""A grant: what the key of a request allows, and for whom."""

from dataclasses import dataclass

from gateway_edge.key_format import KeyKind
from gateway_shared.call_head import Caller, Channel


@dataclass(frozen=True, slots=True)
class Grant:
    """`expires_at_s` is Unix time; a limit of None is the edge's setting; no `scopes`: all that the kind allows."""

    tenant_id: str
    user_id: str
    key_id: str
    plan_id: str
    kind: KeyKind
    scopes: tuple[str, ...]
    expires_at_s: float | None
    requests_per_minute: int | None
    concurrent_requests: int | None
    plain_end_user_ids: bool

    @property
    def channel(self) -> Channel:
        """A LangChain key is metered as LangChain wherever it is used."""
        return "langchain" if self.kind == "langchain" else "standard"

    @property
    def caller(self) -> Caller:
        return Caller(self.tenant_id, self.user_id, self.key_id, self.plan_id, self.channel)

    def has_expired(self, *, now_unix_s: float) -> bool:
        return self.expires_at_s is not None and self.expires_at_s <= now_unix_s
