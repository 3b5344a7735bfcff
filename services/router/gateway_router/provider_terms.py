"""On which terms a provider is used: what its stored definition and its registration have in common. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gateway_router.provider_prices import Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTerms:
    """`tenant_id`: the one tenant it is there for, None for all.

    `models`: what it serves, as names or patterns with `*`; none: what the families of model names and LiteLLM's map
    say of its kind. `aliases`: from a client's name of a model to the provider's. Of several that serve a model the
    lowest `priority` comes first, among equals chance decides by `weight`. `prices` are its own, by the provider's name
    of the model; what they do not say is priced by its kind. Limits of None are none; times are in seconds, None for
    the router's setting.
    """

    tenant_id: str | None = None
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    prices: Prices = field(default_factory=dict)
    priority: int = 0
    weight: int = 1
    max_open_calls: int | None = None
    requests_per_minute: int | None = None
    connect_timeout_s: float | None = None
    first_byte_timeout_s: float | None = None
    silence_timeout_s: float | None = None
    call_timeout_s: float | None = None

    @property
    def terms(self) -> dict[str, Any]:
        """By name, of whatever more this is: for another one on the same terms."""
        return {term.name: getattr(self, term.name) for term in fields(ProviderTerms)}
