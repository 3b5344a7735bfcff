"""The grant cache against a database that answers, changes, is slow or is away; the clock is the test's."""

import asyncio
from dataclasses import replace

import pytest

from gateway_edge import grant_cache
from gateway_edge.grant import Grant
from gateway_edge.grant_cache import GrantCache
from gateway_shared.errors import DatabaseUnavailable

DIGEST = b"d" * 32
GRANT = Grant(
    tenant_id="default",
    user_id="alice",
    key_id="key_1",
    plan_id="standard",
    kind="gw",
    scopes=(),
    expires_at_s=None,
    requests_per_minute=None,
    concurrent_requests=None,
    plain_end_user_ids=False,
)


class Database:
    """`grants` by digest; counts lookups, which wait for `gate` and fail while `is_away`."""

    def __init__(self) -> None:
        self.grants = {DIGEST: GRANT}
        self.is_away = False
        self.lookups = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def look_up(self, digest: bytes) -> Grant | None:
        self.lookups += 1
        self.asked.set()
        grant = self.grants.get(digest)
        await self.gate.wait()
        if self.is_away:
            raise DatabaseUnavailable
        return grant


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def database() -> Database:
    return Database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cache(database: Database, clock: Clock) -> GrantCache:
    return GrantCache(database.look_up, clock=clock)


async def test_a_key_is_looked_up_once_a_minute(cache: GrantCache, database: Database, clock: Clock) -> None:
    for _ in range(5):
        assert await cache.find(DIGEST) == GRANT
    clock.now_s += 59
    await cache.find(DIGEST)
    assert database.lookups == 1
    clock.now_s += 2
    await cache.find(DIGEST)
    assert database.lookups == 2


async def test_a_revocation_that_was_not_announced_is_seen_within_a_minute(
    cache: GrantCache, database: Database, clock: Clock
) -> None:
    await cache.find(DIGEST)
    database.grants.clear()
    assert await cache.find(DIGEST) == GRANT
    clock.now_s += 60
    assert await cache.find(DIGEST) is None


async def test_an_announced_change_is_seen_at_once(cache: GrantCache, database: Database) -> None:
    await cache.find(DIGEST)
    database.grants[DIGEST] = replace(GRANT, requests_per_minute=1)
    cache.forget("default", None)
    assert await cache.find(DIGEST) == replace(GRANT, requests_per_minute=1)
    database.grants.clear()
    cache.forget("default", "key_1")
    assert await cache.find(DIGEST) is None


async def test_a_change_of_another_key_or_tenant_leaves_the_entry(cache: GrantCache, database: Database) -> None:
    await cache.find(DIGEST)
    cache.forget("default", "key_2")
    cache.forget("acme", None)
    await cache.find(DIGEST)
    assert database.lookups == 1


async def test_it_can_serve_alone_for_five_minutes_from_its_newest_lookup(
    cache: GrantCache, database: Database, clock: Clock
) -> None:
    assert not cache.can_serve_alone
    database.grants[b"e" * 32] = replace(GRANT, key_id="key_2")
    await cache.find(DIGEST)
    clock.now_s += 200
    await cache.find(b"e" * 32)
    database.is_away = True
    clock.now_s += 299
    assert cache.can_serve_alone
    assert await cache.find(b"e" * 32)
    clock.now_s += 2
    assert not cache.can_serve_alone
    with pytest.raises(DatabaseUnavailable):
        await cache.find(b"e" * 32)


async def test_an_entry_that_no_longer_holds_does_not_let_it_serve_alone(cache: GrantCache) -> None:
    await cache.find(DIGEST)
    cache.forget("default", "key_1")
    assert not cache.can_serve_alone


async def test_a_lookup_that_a_revocation_overtakes_is_not_kept(cache: GrantCache, database: Database) -> None:
    database.gate.clear()
    finding = asyncio.ensure_future(cache.find(DIGEST))
    await database.asked.wait()
    database.grants.clear()
    cache.forget("default", "key_1")
    database.gate.set()
    await finding
    assert await cache.find(DIGEST) is None


async def test_many_callers_share_one_lookup_and_one_that_leaves_spoils_nothing(
    cache: GrantCache, database: Database
) -> None:
    database.gate.clear()
    finding = [asyncio.ensure_future(cache.find(DIGEST)) for _ in range(100)]
    await database.asked.wait()
    finding[0].cancel()
    database.gate.set()
    results = await asyncio.gather(*finding, return_exceptions=True)
    assert results[1:] == [GRANT] * 99
    assert database.lookups == 1


async def test_without_the_database_a_warm_key_works_for_five_minutes_and_a_cold_one_is_not_called_wrong(
    cache: GrantCache, database: Database, clock: Clock
) -> None:
    await cache.find(DIGEST)
    database.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await cache.find(b"cold" * 8)
    clock.now_s += 299
    assert await cache.find(DIGEST) == GRANT
    clock.now_s += 2
    with pytest.raises(DatabaseUnavailable):
        await cache.find(DIGEST)
    database.is_away = False
    clock.now_s += 2
    assert await cache.find(DIGEST) == GRANT


async def test_a_database_that_is_away_is_asked_once_a_second_only(
    cache: GrantCache, database: Database, clock: Clock
) -> None:
    database.is_away = True
    for number in range(100):
        with pytest.raises(DatabaseUnavailable):
            await cache.find(number.to_bytes(32, "big"))
    assert database.lookups == 1
    clock.now_s += 1
    with pytest.raises(DatabaseUnavailable):
        await cache.find(DIGEST)
    assert database.lookups == 2


async def test_a_revoked_key_stays_revoked_when_the_database_goes_away(cache: GrantCache, database: Database) -> None:
    await cache.find(DIGEST)
    cache.forget("default", "key_1")
    database.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await cache.find(DIGEST)


async def test_after_missed_announcements_every_key_is_looked_up_again(cache: GrantCache, database: Database) -> None:
    await cache.find(DIGEST)
    cache.verify_all_again()
    database.grants.clear()
    assert await cache.find(DIGEST) is None


async def test_unknown_keys_are_remembered_briefly_and_a_bounded_number_of_them(
    cache: GrantCache, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grant_cache, "MAX_UNKNOWN", 3)
    digests = [number.to_bytes(32, "big") for number in range(5)]
    for digest in [*digests, *digests[2:]]:
        assert await cache.find(digest) is None
    assert database.lookups == 5
    await cache.find(digests[0])
    assert database.lookups == 6
    clock.now_s += 5
    database.grants[digests[4]] = GRANT
    assert await cache.find(digests[4]) == GRANT


async def test_a_key_made_after_it_was_tried_works_at_once(cache: GrantCache, database: Database) -> None:
    digest = b"n" * 32
    assert await cache.find(digest) is None
    database.grants[digest] = GRANT
    cache.forget("default", "key_1")
    assert await cache.find(digest) == GRANT
