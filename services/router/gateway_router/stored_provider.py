"""Providers as operators registered them by the API and Postgres holds them: their API keys sealed. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway_router.kinds import kind_name
from gateway_router.provider_terms import ProviderTerms
from gateway_router.sealed_secret import SealedSecret, SecretPlace
from gateway_shared.price_provider import own_price_provider
from gateway_shared.settings import Secret

SHORTEST_SHOWN = 12
"""Of a key of fewer characters the last four would say too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDefinition(ProviderTerms):
    """What an operator says of a provider, but for its API keys.

    `base_url` is always said here: the kind's own where the operator gave none, empty where LiteLLM knows it.
    """

    name: str
    kind: str
    base_url: str


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One API key. `last_four` is to recognise it by, empty for a key of fewer than SHORTEST_SHOWN characters."""

    last_four: str
    sealed: SealedSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProvider:
    """`version` is the configuration's at the last change of this provider: it grows, and is what `If-Match` names."""

    definition: ProviderDefinition
    api_keys: tuple[StoredKey, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    def place_of(self, key_number: int) -> SecretPlace:
        return place_of(self.definition, self.version, key_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRouting:
    """What holds for all providers. `version` is the configuration's at its last change, 0 when there was none."""

    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConfiguration:
    """All that is stored, as it stood at one moment. `version` grows with every change of any part of it."""

    version: int = 0
    providers: tuple[StoredProvider, ...] = ()
    routing: StoredRouting = field(default_factory=StoredRouting)

    def provider(self, name: str, tenant_id: str | None) -> StoredProvider | None:
        """The one of this very tenant; None: the one that is there for all."""
        wanted = (name, tenant_id)
        return next((one for one in self.providers if (one.definition.name, one.definition.tenant_id) == wanted), None)


def place_of(definition: ProviderDefinition, version: int, key_number: int) -> SecretPlace:
    return SecretPlace(definition.tenant_id, definition.name, version, key_number, definition.kind, definition.base_url)


def price_provider(definition: ProviderDefinition) -> str:
    """Whose prices its own are in the ledger."""
    return own_price_provider(kind_name(definition.kind), definition.name, definition.tenant_id)


def last_four(key: Secret) -> str:
    text = key.reveal()
    return text[-4:] if len(text) >= SHORTEST_SHOWN else ""
