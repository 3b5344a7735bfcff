"""Stored providers for tests, as the store would have made them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from gateway_router.key_ring import KEY_BYTES, KeyRing
from gateway_router.stored_provider import (
    ProviderDefinition,
    StoredConfiguration,
    StoredKey,
    StoredProvider,
    last_four,
    place_of,
)
from gateway_shared.settings import Secret

MOMENT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
CANARY = "sk-canary-1234567890abcd"


def ring(*key_ids: str) -> KeyRing:
    """Each key is made of its own id's first letter."""
    keys: Mapping[str, bytes] = {key_id: key_id[0].encode() * KEY_BYTES for key_id in key_ids or ("a",)}
    return KeyRing(keys)


def definition(name: str = "acme", **said: object) -> ProviderDefinition:
    plain = ProviderDefinition(name=name, kind="openai", base_url="https://api.acme.example/v1")
    return replace(plain, **said)  # type: ignore[arg-type]


def stored(
    name: str = "acme", *keys: str, version: int = 1, key_ring: KeyRing | None = None, **said: object
) -> StoredProvider:
    """With the canary as its key where none is said."""
    sealing, described = key_ring or ring(), definition(name, **said)
    secrets = [Secret(key) for key in keys or (CANARY,)]
    return StoredProvider(
        definition=described,
        api_keys=tuple(
            StoredKey(last_four(secret), sealing.seal(secret, place_of(described, version, number)))
            for number, secret in enumerate(secrets)
        ),
        version=version,
        created_at=MOMENT,
        updated_at=MOMENT,
    )


def configuration(*providers: StoredProvider, version: int = 1) -> StoredConfiguration:
    return StoredConfiguration(version=version, providers=providers)
