"""By whose prices an event is rated: the word that the router writes and the price book is searched by. Pure.

A provider without prices of its own has those of its kind (`openai`). One that was registered with prices has a name
of its own, `openai@acme`, or `openai@tenant-1/acme` where it is one tenant's; what these do not price, the kind's do.
Tenants that differ in case only are two, so what is behind the `@` is compared as it is written.
"""

_BEHIND_KIND = "@"


def own_price_provider(kind: str, name: str, tenant_id: str | None) -> str:
    """Of a provider with prices of its own. `kind` is our word for it."""
    owner = f"{tenant_id}/" if tenant_id is not None else ""
    return f"{kind}{_BEHIND_KIND}{owner}{name}"


def price_kind(price_provider: str) -> str:
    """The kind behind the provider's own name, or the word as it is."""
    return price_provider.partition(_BEHIND_KIND)[0]


def with_kind_in_lower_case(price_provider: str) -> str:
    """For who compares kinds without regard to case."""
    kind, mark, own = price_provider.partition(_BEHIND_KIND)
    return f"{kind.casefold()}{mark}{own}"


def price_providers(price_provider: str) -> tuple[str, ...]:
    """Whose prices to look for, best first."""
    return tuple(dict.fromkeys((price_provider, price_kind(price_provider))))
