"""What the edge tells the router about one call of `/v1/providers`: everything but the body, which holds keys. Pure."""

from dataclasses import dataclass
from typing import Literal, Self

import orjson

from gateway_shared.call_head import Caller

ProviderAction = Literal["list", "add", "show", "replace", "delete", "test", "show_routing", "replace_routing"]


@dataclass(slots=True)
class ProviderCall:
    """`caller` is who holds the admin key; unless it `is_operator`, it manages its own tenant's providers only.

    `provider` is the name in the path, `tenant_id` the one of the query string, `if_match` the header field.
    """

    action: ProviderAction
    request_id: str
    caller: Caller
    is_operator: bool
    provider: str | None = None
    tenant_id: str | None = None
    if_match: str | None = None

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        fields = orjson.loads(data)
        return cls(**{**fields, "caller": Caller(**fields["caller"])})
