"""What the edge tells the router about one call of `/v1/models`. Pure."""

from dataclasses import dataclass
from typing import Self

import orjson


@dataclass(slots=True)
class ModelCall:
    """`tenant_id` is whose calls the models are for; `model` is the one that is asked for, None for all."""

    tenant_id: str
    model: str | None = None

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return cls(**orjson.loads(data))
