"""The procedure of docs/billing.md: dump, lose the ledger, restore, reconcile, replay: nothing is missing."""

import asyncio
import shlex
import shutil
import subprocess
from pathlib import Path

from gateway_local.failure import SetupFailed
from gateway_local.postgres_binaries import distribution_binaries

from tests.acceptance.audit import ROWS_WITHIN_S, audit
from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.owned_stack import OwnedStack, owned_stack
from tests.acceptance.price_list import PriceList
from tests.acceptance.traffic import Traffic, traffic
from tests.servers import wait_until

TOTALS = """
    SELECT count(*) AS events, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           sum(cost_nano_usd) AS cost_nano_usd, sum(charge_nano_usd) AS charge_nano_usd
    FROM billing.attempts
"""
ANSWERS = 50
MISSING = "SELECT coalesce(sum(missing), 0)::bigint AS missing FROM billing.completeness"


def postgres_tool(name: str) -> str:
    """The newest one here: older ones refuse a newer server."""
    beside_server = [one.folder / name for one in sorted(distribution_binaries(), key=lambda one: one.major)]
    found = next((str(path) for path in reversed(beside_server) if path.is_file()), None) or shutil.which(name)
    assert found, f"{name} is needed (Debian: apt-get install postgresql-client)"
    return found


def run_tool(name: str, *arguments: str) -> None:
    done = subprocess.run([postgres_tool(name), *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def reconcile(stack: OwnedStack, *arguments: str) -> tuple[bool, str]:
    """Whether it found nothing missing, and what it printed."""
    try:
        return True, stack.command("billing", "reconcile", *arguments)
    except SetupFailed as failure:
        return False, str(failure)


def journal_list(stack: OwnedStack, file: Path) -> str:
    file.write_text(stack.command("router", "journal", "list", "--json"))
    return str(file)


async def some_traffic(stack: OwnedStack, ledger: Ledger, prices: PriceList) -> Traffic:
    """Calls, each of which has its row when this returns."""
    async with traffic(stack) as seen:
        await seen.until_answered(ANSWERS)
    assert (await audit(ledger, stack.simulator_url, seen.outcomes, prices)).is_exact
    return seen


async def missing_is(ledger: Ledger, count: int) -> bool:
    return int((await ledger.query(MISSING))[0]["missing"]) == count


async def totals(ledger: Ledger) -> Row:
    return (await ledger.query(TOTALS))[0]


async def test_a_ledger_that_was_lost_is_whole_again_after_restore_and_replay(
    prices: PriceList, tmp_path: Path
) -> None:
    dump, journals = str(tmp_path / "ledger.dump"), tmp_path / "journals.json"
    with owned_stack() as stack:
        ledger, owner = Ledger(stack.run["postgres_dsn"]), stack.run["postgres_owner_dsn"]
        before_dump = await some_traffic(stack, ledger, prices)
        run_tool("pg_dump", "--format=custom", "--schema=billing", f"--file={dump}", owner)
        behind_dump = await some_traffic(stack, ledger, prices)
        known = await totals(ledger)
        assert known["events"] > len(before_dump.outcomes)

        await Ledger(owner).query("DROP SCHEMA billing CASCADE")
        async with traffic(stack) as while_lost:  # clients do not notice; the queue holds their usage
            await while_lost.until_answered(ANSWERS)
        assert while_lost.refused == []
        run_tool("pg_restore", "--single-transaction", f"--dbname={owner}", dump)
        markers = [outcome.marker for outcome in while_lost.outcomes]
        of_clients = "SELECT event_id FROM billing.attempts WHERE agent_run_id = ANY($1)"
        await ledger.wait_for_rows(of_clients, markers, at_least=len(markers), within_s=ROWS_WITHIN_S)

        lost = known["events"] - (await totals(ledger))["events"] + len(while_lost.outcomes)
        is_whole, said = await asyncio.to_thread(reconcile, stack, "--journal-list", journal_list(stack, journals))
        print(f"before {known}; {lost} lost with the database\n{said}")
        assert not is_whole
        assert f"{lost} missing, 0 twice" in said

        replays = [line for line in said.splitlines() if line.startswith("python -m gateway_router replay")]
        assert replays
        for line in replays:
            print(await asyncio.to_thread(stack.command, "router", *shlex.split(line)[3:]))
        await asyncio.to_thread(
            wait_until, lambda: asyncio.run(missing_is(ledger, 0)), what="the replayed events in the ledger"
        )
        is_whole, said = await asyncio.to_thread(reconcile, stack, "--journal-list", journal_list(stack, journals))
        print(said)
        assert (is_whole, "0 missing, 0 twice" in said) == (True, True)

        for seen in (before_dump, behind_dump, while_lost):
            assert (await audit(ledger, stack.simulator_url, seen.outcomes, prices)).is_exact
        after = await totals(ledger)
        assert after["events"] == known["events"] + len(while_lost.outcomes)
        assert after["charge_nano_usd"] > known["charge_nano_usd"]
