"""A secret as the database holds it: under a data key of its own, which a key of the key ring wraps. Pure.

Both layers are AES-256-GCM with a random nonce of 96 bits in front (NIST SP 800-38D, 8.2.2), and both are bound to
where the secret belongs (`SecretPlace`): moved to another row, or its row's address changed, it does not open.
"""

from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """`ring_key_id` names the key of the ring that wraps the data key; `ciphertext` is the secret under that one."""

    ring_key_id: str
    wrapped_data_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where one API key of a stored provider belongs. `version` is the provider's; `key_number` counts from 0."""

    tenant_id: str | None
    provider: str
    version: int
    key_number: int
    kind: str
    base_url: str

    def as_bytes(self) -> bytes:
        """The associated data of both layers: unambiguous, and for ever the same for the same place."""
        place = ["provider key", self.tenant_id, self.provider, self.version, self.key_number, self.kind, self.base_url]
        return orjson.dumps(place)
