"""Grants in memory, by the full digest of their key (SECURITY: Keys and secrets; CVE-2026-35030).

    age of an entry      database answers           database away
    below 60 s           used as it is              used as it is
    below 5 min          looked up again            used as it is: fail-open, bounded
    above, or no entry   looked up                  DatabaseUnavailable (503): fail-closed, never 401

Changes in the database arrive through `forget` within moments; the ages above are the bounds for when
they cannot. Callers that want the same key at the same time share one lookup.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway_edge.grant import Grant
from gateway_shared.errors import DatabaseUnavailable

VERIFIED_FOR_S = 60.0
USABLE_FOR_S = 300.0
UNKNOWN_FOR_S = 5.0
MAX_GRANTS = 100_000
MAX_UNKNOWN = 10_000
RETRY_DATABASE_AFTER_S = 1.0

_T = TypeVar("_T")

LookUp = Callable[[bytes], Awaitable[Grant | None]]
"""From a key's digest to its grant; None when there is no live key. Raises DatabaseUnavailable."""


@dataclass(slots=True)
class _Entry:
    grant: Grant
    looked_up_s: float
    verified_until_s: float


class GrantCache:
    """`clock` gives monotonic seconds."""

    def __init__(self, look_up: LookUp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._unknown_until_s: dict[bytes, float] = {}
        self._under_way: dict[bytes, asyncio.Task[Grant | None]] = {}
        self._changes_seen = 0
        self._ask_again_at_s = 0.0

    def verified(self, digest: bytes) -> Grant | None:
        """The grant of a key that was looked up moments ago; None says nothing."""
        entry = self._entries.get(digest)
        return entry.grant if entry is not None and self._clock() < entry.verified_until_s else None

    async def find(self, digest: bytes) -> Grant | None:
        """The grant of a live key, None for any other key. Raises DatabaseUnavailable when it cannot tell."""
        now_s = self._clock()
        entry = self._entries.get(digest)
        if entry is not None and now_s < entry.verified_until_s:
            return entry.grant
        if now_s < self._unknown_until_s.get(digest, 0.0):
            return None
        try:
            return await self._verify(digest, now_s)
        except DatabaseUnavailable:
            # fail-open for a key that was good moments ago and that no change was announced for
            entry = self._entries.get(digest)
            if entry is not None and now_s < entry.looked_up_s + USABLE_FOR_S:
                return entry.grant
            raise

    @property
    def can_serve_alone(self) -> bool:
        """Whether any key would be served if the database were away now."""
        newest = next(reversed(self._entries.values()), None)  # kept in the order in which they were looked up
        return newest is not None and self._clock() < newest.looked_up_s + USABLE_FOR_S

    def close(self) -> None:
        """Ends lookups that are under way."""
        for task in self._under_way.values():
            task.cancel()

    def forget(self, tenant_id: str, key_id: str | None) -> None:
        """A key (or, with None, anything of a tenant) has changed: what is cached of it no longer holds."""
        self._changes_seen += 1
        self._unknown_until_s.clear()
        changed = [
            digest
            for digest, entry in self._entries.items()
            if entry.grant.tenant_id == tenant_id and key_id in (None, entry.grant.key_id)
        ]
        for digest in changed:
            del self._entries[digest]

    def verify_all_again(self) -> None:
        """Changes may have been missed: every entry is looked up before its next use."""
        self._changes_seen += 1
        self._unknown_until_s.clear()
        for entry in self._entries.values():
            entry.verified_until_s = 0.0

    async def _verify(self, digest: bytes, now_s: float) -> Grant | None:
        if now_s < self._ask_again_at_s:
            raise DatabaseUnavailable(retry_after_s=RETRY_DATABASE_AFTER_S)
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.create_task(self._look_up_and_keep(digest))
            self._under_way[digest] = task
            task.add_done_callback(lambda done: self._finish(digest, done))
        # shielded: one caller that leaves must not cancel the lookup of the others
        return await asyncio.shield(task)

    def _finish(self, digest: bytes, done: "asyncio.Task[Grant | None]") -> None:
        self._under_way.pop(digest, None)
        if not done.cancelled():
            done.exception()  # seen, even when every caller has left

    async def _look_up_and_keep(self, digest: bytes) -> Grant | None:
        changes_seen = self._changes_seen
        try:
            grant = await self._look_up(digest)
        except DatabaseUnavailable:
            self._ask_again_at_s = self._clock() + RETRY_DATABASE_AFTER_S
            raise
        now_s = self._clock()
        self._entries.pop(digest, None)
        if changes_seen != self._changes_seen:
            # a change was announced meanwhile, perhaps of this very key: good for this request only
            return grant
        if grant is None:
            _make_room(self._unknown_until_s, MAX_UNKNOWN)
            self._unknown_until_s[digest] = now_s + UNKNOWN_FOR_S
        else:
            _make_room(self._entries, MAX_GRANTS)
            self._entries[digest] = _Entry(grant, now_s, now_s + VERIFIED_FOR_S)
        return grant


def _make_room(entries: dict[bytes, _T], limit: int) -> None:
    """Drops the entry that was put in first."""
    if len(entries) >= limit:
        del entries[next(iter(entries))]
