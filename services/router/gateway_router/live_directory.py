"""The configuration that stands now: the environment's providers and the stored ones, as they are changed."""

import asyncio
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway_router import metrics
from gateway_router.configuration import Configuration
from gateway_router.key_ring import KeyRing
from gateway_router.providers_in_force import ProvidersInForce, combine
from gateway_router.stored_provider import StoredConfiguration
from gateway_shared import canonical_log

Source = Literal["environment", "copy", "database"]
"""Where the stored part came from: from nowhere yet, from the copy on this router's disk, or from Postgres."""


@dataclass(slots=True)
class LiveDirectory:
    """A `Directory` that is told what is stored, again and again.

    `environment` stays as it is. `is_heard`: whether changes reach this process now; without, what stands is the last
    that did.
    """

    environment: Configuration
    ring: KeyRing | None
    allowed_hosts: Container[str]
    source: Source = "environment"
    stored: StoredConfiguration = field(default_factory=StoredConfiguration)
    is_heard: bool = False
    _in_force: ProvidersInForce = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._in_force = ProvidersInForce(self.environment)

    @property
    def current(self) -> Configuration:
        return self._in_force.configuration

    def take(self, stored: StoredConfiguration, source: Source) -> None:
        """For the calls that come from now on; the keys of a deleted provider are forgotten with its last call.

        What could not be used is tried again each time: the key ring may have been given its key meanwhile.
        """
        is_known = stored == self.stored and source == self.source
        if is_known and not self._in_force.unusable:
            return
        found = combine(self.environment, stored, self.ring, allowed_hosts=self.allowed_hosts)
        if is_known and found.unusable == self._in_force.unusable:
            return
        self._in_force, self.stored, self.source = found, stored, source
        self._changed.set()
        self._changed = asyncio.Event()
        canonical_log.info("providers in force", version=stored.version, source=source, providers=self.names)
        metrics.CONFIGURATION_VERSION.set(stored.version)
        metrics.PROVIDERS_UNUSABLE.set(len(self._in_force.unusable))
        for name, why in self._in_force.unusable.items():
            canonical_log.warning("provider unusable", provider=name, reason=why)

    def note_hearing(self, heard: bool) -> None:
        self.is_heard = heard
        metrics.PROVIDER_CHANNEL_OPEN.set(heard)

    async def reached(self, version: int, *, timeout_s: float) -> bool:
        """Whether this process has come to `version` (or past it) within `timeout_s`: for whoever just changed it."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.stored.version < version:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    @property
    def names(self) -> list[str]:
        return sorted({registration.name for registration in self.current.registrations if registration.ways})

    def facts(self) -> dict[str, Any]:
        """For `/health`."""
        return {
            "providers": self.names,
            "configuration": {
                "version": self.current.version,
                "source": self.source,
                "hears_changes": self.is_heard,
                "unusable": dict(self._in_force.unusable),
            },
        }
