"""The wall clock jumps under running services (RELIABILITY: F19), or stands three years ahead."""

import asyncio
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.streams import StreamClient, finished, held, opened, provider_log, release, rows_of

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="the shifted clock is compiled here")

SOURCE = Path(__file__).with_name("shifted_clock.c")
HOUR_S = 3600
YEARS = 3
PER_MINUTE = 120
BEYOND = 20
STREAMS = 10
ROWS_WITHIN_S = 30.0
PARTITIONS_WITHIN_S = 60.0
"""Fifty of them at once may have to be tried twice, with a consumer at work."""
SHIFTED = ("edge", "router", "billing")


@dataclass(frozen=True)
class Clock:
    """Of edge, router, billing and Postgres."""

    file: Path

    def jump_to(self, shift_s: int) -> None:
        """So far from the true time."""
        with self.file.open("r+b") as file:
            file.write(shift_s.to_bytes(8, "little", signed=True))


@pytest.fixture(scope="module")
def clock(owned: OwnedStack) -> Iterator[Clock]:
    library, file = owned.home.folder / "shifted_clock.so", owned.home.folder / "clock_shift"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    file.write_bytes(bytes(8))
    for path in (library, file):  # Postgres has an account of its own
        path.chmod(0o755)
    for role in ("edge", "router"):  # the hop judges them by the wall clock
        leaf = owned.certificates.profile(role)
        owned.certificates.issue_odd(role, replace(leaf, not_after=datetime.now(UTC) + timedelta(days=5 * 365)))
    preload = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(file)}
    with pytest.MonkeyPatch.context() as environment:
        for service in SHIFTED:
            for name, value in preload.items():
                environment.setitem(owned.settings[service], name, value)
        environment.setitem(owned.settings["edge"], "REQUESTS_PER_MINUTE", str(PER_MINUTE))
        for name, value in preload.items():
            environment.setenv(name, value)
        restart(owned)
        yield Clock(file)
    restart(owned)


def restart(owned: OwnedStack) -> None:
    for server in (owned.edge, owned.router, owned.billing, owned.postgres):
        server.stop()
    owned.postgres.start()
    for server in (owned.router, owned.billing, owned.edge):
        server.launch()
    for server in (owned.router, owned.billing, owned.edge):
        server.wait_until_ready()


async def test_streams_limits_and_the_ledger_survive_jumps_of_an_hour_ahead_and_back(
    owned: OwnedStack, owned_ledger: Ledger, clock: Clock
) -> None:
    before = await owned_ledger.event_count()
    streams = await opened(owned, owned.ports.edge, STREAMS, "words=5 hold_after=2")
    await held(owned, STREAMS)
    calls = await opened(owned, owned.ports.edge, PER_MINUTE, "words=1")
    jumps = [await jump(owned, clock, seconds) for seconds in (HOUR_S, -HOUR_S)]
    await release(owned)
    await finished([*streams, *calls])
    clock.jump_to(0)
    calls += [call for one in jumps for call in (*one.at_once, one.later)]
    taken = [client for client in (*streams, *calls) if client.status == 200]
    rows = await rows_of(owned_ledger, taken, within_s=ROWS_WITHIN_S)
    asked = await provider_log(owned, taken)
    print(
        f"{len(taken)} calls taken, {len(asked)} at the provider, {before} events before and {len(rows)} more; "
        f"after each jump of {BEYOND} calls beyond the limit {[one.limited for one in jumps]} refused, "
        f"and taken again after {[round(one.waited_s, 1) for one in jumps]} s"
    )
    assert all(stream.is_complete for stream in streams)
    assert Counter(row["status"] for row in rows.values()) == {"settled": len(taken)}
    assert max(row["duration_us"] for row in rows.values()) < 60_000_000
    for one in jumps:
        assert one.limited > 0.7 * BEYOND  # a minute's worth did not come back with the jump
        assert one.waited_s < 5  # nor is anybody locked out for an hour
        assert abs(rows[one.later.run_id]["started_at"] - one.jumped_at) < timedelta(seconds=60)


@dataclass(frozen=True)
class Jump:
    """What calls met after it: some at once, beyond the key's limit, and one that was tried until it was taken."""

    jumped_at: datetime
    at_once: list[StreamClient]
    waited_s: float
    later: StreamClient

    @property
    def limited(self) -> int:
        return sum(client.status == 429 for client in self.at_once)


async def jump(owned: OwnedStack, clock: Clock, seconds: int) -> Jump:
    clock.jump_to(seconds)
    jumped_at = datetime.now(UTC) + timedelta(seconds=seconds)
    at_once = await opened(owned, owned.ports.edge, BEYOND, "words=1")
    await finished(at_once)
    waited_s, later = await asked_until_taken(owned)
    return Jump(jumped_at, at_once, waited_s, later)


async def test_three_years_ahead_rows_land_in_a_partition_made_for_them(
    owned: OwnedStack, owned_ledger: Ledger, clock: Clock
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=YEARS * 365)
    owned.billing.stop()
    clock.jump_to(YEARS * 365 * 24 * HOUR_S)
    owned.billing.launch()  # it makes partitions when it starts, and daily
    await asyncio.to_thread(owned.billing.wait_until_ready)
    await partition_made(owned, f"billing.event_{ahead:%Y_%m}")
    _, client = await asked_until_taken(owned)
    rows = await rows_of(owned_ledger, [client], within_s=ROWS_WITHIN_S)
    partitions = await partitions_of(owned, rows[client.run_id])
    clock.jump_to(0)
    print(f"1 client, {len(await provider_log(owned, [client]))} call at the provider, its event in {partitions}")
    assert rows[client.run_id]["status"] == "settled"
    assert rows[client.run_id]["cost_nano_usd"] > 0
    assert partitions == {f"billing.event_{ahead:%Y_%m}", f"billing.rating_{ahead:%Y_%m}"}


async def partition_made(owned: OwnedStack, name: str) -> None:
    connection = await asyncpg.connect(owned.run["postgres_owner_dsn"])
    try:
        async with asyncio.timeout(PARTITIONS_WITHIN_S):
            while await connection.fetchval("SELECT to_regclass($1)", name) is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def partitions_of(owned: OwnedStack, row: Row) -> set[str]:
    """Where its event and its ratings lie."""
    connection = await asyncpg.connect(owned.run["postgres_owner_dsn"])
    try:
        found = await connection.fetch(
            "SELECT tableoid::regclass::text AS name FROM billing.event WHERE event_id = $1"
            " UNION SELECT tableoid::regclass::text FROM billing.rating WHERE event_id = $1",
            row["event_id"],
        )
    finally:
        await connection.close()
    return {each["name"] for each in found}


async def asked_until_taken(owned: OwnedStack) -> tuple[float, StreamClient]:
    """How long it took, and the call that was."""
    started_s = time.monotonic()
    async with asyncio.timeout(30):
        while True:
            (client,) = await opened(owned, owned.ports.edge, 1, "words=1")
            await client.finish()
            if client.status == 200:
                return time.monotonic() - started_s, client
