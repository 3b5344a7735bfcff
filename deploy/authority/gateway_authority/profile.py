"""What a leaf says: pure values, no keys and no clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Usage = Literal["server", "client"]

DEFAULT_DEPLOYMENT = "agent-gateway"
CLOCK_SKEW = timedelta(minutes=5)
"""A leaf is good a little before it is made, for peers whose clock is behind."""

USAGES: dict[str, tuple[Usage, ...]] = {
    "edge": ("server", "client"),
    "router": ("server", "client"),
    "billing": ("server", "client"),
    "rabbitmq": ("server",),
    "postgres": ("server",),
    "billing_reader": ("client",),
    "operator": ("client",),
}
"""Every role of a deployment, and which ends of a connection it may take."""


@dataclass(frozen=True, slots=True)
class LeafProfile:
    """Everything in a leaf but its key. Times are aware UTC; `uris`, `dns_names` and `ip_addresses` are its SANs."""

    common_name: str
    uris: tuple[str, ...]
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    usages: tuple[Usage, ...]
    not_before: datetime
    not_after: datetime


def identity(role: str, deployment: str) -> str:
    """The URI name by which our services know a peer."""
    return f"spiffe://{deployment}/svc/{role}"


def role_profile(role: str, *, deployment: str, now: datetime, lifetime: timedelta) -> LeafProfile:
    """The leaf of one role; raises KeyError for a role that is not in USAGES.

    A server is reached as localhost or under its role's name (the compose service); a role that only
    opens connections has no host name to claim.
    """
    usages = USAGES[role]
    serves = "server" in usages
    return LeafProfile(
        common_name=role,
        uris=(identity(role, deployment),),
        dns_names=("localhost", role) if serves else (),
        ip_addresses=("127.0.0.1",) if serves else (),
        usages=usages,
        not_before=now - CLOCK_SKEW,
        not_after=now + lifetime,
    )
