"""Registrations for tests of routing."""

from typing import Any

from gateway_router.configuration import Provider, Registration
from gateway_shared.settings import Secret


def registered(name: str, kind: str | None = None, *, keys: int = 1, **more: Any) -> Registration:
    """With so many keys; what is not said is as `Registration` has it."""
    kind = kind or name
    ways = [Provider.of(kind, name=name, api_key=Secret("k"), key_number=number) for number in range(keys)]
    return Registration(name, kind, tuple(ways), **more)
