"""The environment's providers and the stored ones as one configuration: the one place where stored keys are opened."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from gateway_router.base_url import BaseUrlRefused, check_base_url
from gateway_router.configuration import Configuration, Provider, Registration
from gateway_router.key_ring import KeyRing, SecretUnreadable
from gateway_router.stored_provider import StoredConfiguration, StoredProvider, price_provider
from gateway_shared.settings import Secret


class ProviderUnusable(Exception):
    """A stored provider cannot be called from this router; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class ProvidersInForce:
    """`unusable`: by name (with its tenant's, where it has one) what keeps a stored provider from being used here."""

    configuration: Configuration
    unusable: Mapping[str, str] = field(default_factory=dict)


def combine(
    environment: Configuration, stored: StoredConfiguration, ring: KeyRing | None, *, allowed_hosts: Container[str]
) -> ProvidersInForce:
    """A stored provider hides the environment's of the same name, also where it cannot be used.

    Fail-closed: such a one stays registered without any way to it, so that no call goes to, and on the account of,
    another provider than the operator named.
    """
    registrations: list[Registration] = []
    unusable: dict[str, str] = {}
    for provider in stored.providers:
        try:
            ways = _ways(provider, ring, allowed_hosts)
        except ProviderUnusable as error:
            ways = ()
            unusable[_shown(provider)] = str(error)
        registrations.append(_registration(provider, ways))
    hidden = {found.name for found in registrations if found.tenant_id is None}
    configuration = replace(
        environment,
        version=stored.version,
        registrations=(*(found for found in environment.registrations if found.name not in hidden), *registrations),
        fallbacks=stored.routing.fallbacks,
    )
    return ProvidersInForce(configuration, unusable)


def _ways(provider: StoredProvider, ring: KeyRing | None, allowed_hosts: Container[str]) -> tuple[Provider, ...]:
    """One for each key, or one without any. Raises ProviderUnusable where any part of it is: never by halves."""
    definition = provider.definition
    try:
        if definition.base_url:
            check_base_url(definition.base_url, allowed_hosts=allowed_hosts)
        secrets = [_open(provider, number, ring) for number in range(len(provider.api_keys))] or [Secret("")]
    except BaseUrlRefused as error:
        raise ProviderUnusable(f"its address is refused: {error}") from error
    except SecretUnreadable as error:
        raise ProviderUnusable(f"its API key does not open: {error}") from error
    return tuple(
        Provider.of(
            definition.kind,
            name=definition.name,
            api_key=secret,
            base_url=definition.base_url,
            price_provider=price_provider(definition) if definition.prices else None,
            key_number=number,
        )
        for number, secret in enumerate(secrets)
    )


def _open(provider: StoredProvider, key_number: int, ring: KeyRing | None) -> Secret:
    if ring is None:
        raise SecretUnreadable("this router has no key ring (PROVIDER_KEY_RING_FILE)")
    return ring.open(provider.api_keys[key_number].sealed, provider.place_of(key_number))


def _registration(provider: StoredProvider, ways: tuple[Provider, ...]) -> Registration:
    definition = provider.definition
    return Registration(definition.name, definition.kind, ways, version=provider.version, **definition.terms)


def _shown(provider: StoredProvider) -> str:
    definition = provider.definition
    return definition.name if definition.tenant_id is None else f"{definition.tenant_id}/{definition.name}"
