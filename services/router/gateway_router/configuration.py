"""What this router routes by: the registered providers and the fallbacks between models, as one value.

A call takes the configuration that stands when it comes and keeps it to its end: what an operator changes
meanwhile is for the calls that come after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import urlsplit

from gateway_router.kinds import AuthHeader, Wire, kind_name, kind_of
from gateway_router.provider_terms import ProviderTerms
from gateway_shared.settings import Secret

SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to a provider: its address and one of its keys.

    `name` is what clients write before the slash; `ledger_name` is what the ledger calls it, and
    `price_provider` whose prices apply (the two differ for the simulator). `litellm_name` is LiteLLM's
    word for it. `streams_usage`: it takes `stream_options.include_usage`. `key_number` counts the
    registration's keys from 0. An empty key is none: nothing is sent in the `auth_header`.
    `renamed`: OpenAI's word for a parameter and this provider's, None where it takes none. `api_version`: where the
    path names the model (Azure's deployments) and the query a version.
    """

    name: str
    wire: Wire
    base_url: str
    api_key: Secret
    ledger_name: str
    price_provider: str
    litellm_name: str
    streams_usage: bool = True
    key_number: int = 0
    auth_header: AuthHeader = "Authorization"
    renamed: tuple[tuple[str, str | None], ...] = ()
    api_version: str | None = None

    @classmethod
    def of(
        cls,
        kind: str,
        *,
        name: str,
        api_key: Secret,
        base_url: str | None = None,
        ledger_name: str | None = None,
        price_provider: str | None = None,
        key_number: int = 0,
    ) -> Self:
        """One way to a provider of that kind. Without `base_url` at the kind's own address, or where LiteLLM knows it.

        `ledger_name` is `name` unless given, `price_provider` our word for the kind.
        """
        known = kind_of(kind)
        url = (base_url or known.base_url or "").rstrip("/")
        return cls(
            name,
            known.wire,
            url + known.root_path if url and not urlsplit(url).path else url,
            api_key,
            ledger_name or name,
            price_provider or kind_name(kind),
            known.litellm_name,
            streams_usage=known.streams_usage,
            key_number=key_number,
            auth_header=known.auth_header,
            renamed=known.renamed,
            # Azure's later API has neither: it is OpenAI's, below that path
            api_version=None if url.endswith("/openai/v1") else known.api_version,
        )


@dataclass(frozen=True, slots=True)
class Registration(ProviderTerms):
    """A provider as an operator registered it, with one `Provider` for each of its keys, in the order they are tried.

    `version` grows with each change. Without any of `ways` it cannot be called from here (providers_in_force.py).
    """

    name: str
    kind: str
    ways: tuple[Provider, ...]
    version: int = 0


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Configuration:
    """`version` grows with every change that any router is told of; 0 is what the environment gives.

    `fallbacks`: models to try, in that order, when none that serves the key's model could.
    """

    version: int = 0
    registrations: tuple[Registration, ...] = ()
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    _visible: Mapping[str | None, Mapping[str, Registration]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Calls ask often, and for few tenants that have providers of their own: they find it ready."""
        owners = {registration.tenant_id for registration in self.registrations}
        object.__setattr__(self, "_visible", {owner: self._seen_by(owner) for owner in owners | {None}})

    def visible_to(self, tenant_id: str | None) -> Mapping[str, Registration]:
        """By name: what is there for all, and the tenant's own, which go before others of the same name.

        One without any way to it is left out with those that it goes before.
        """
        return self._visible.get(tenant_id, self._visible[None])

    def _seen_by(self, tenant_id: str | None) -> Mapping[str, Registration]:
        found = {one.name: one for one in self.registrations if one.tenant_id is None}
        if tenant_id is not None:
            found |= {one.name: one for one in self.registrations if one.tenant_id == tenant_id}
        return {name: one for name, one in found.items() if one.ways}


class Directory(Protocol):
    """Where calls find the configuration that stands now."""

    @property
    def current(self) -> Configuration: ...


@dataclass(slots=True)
class FixedDirectory:
    """A Directory that only its owner changes."""

    current: Configuration
