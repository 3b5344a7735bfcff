"""`reconcile`: proves from the events themselves that the ledger is complete, or names what is missing."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway_billing import quarantine, statements
from gateway_billing.database import borrowed
from gateway_billing.journal_list import JournalListInvalid, parse_journal_list
from gateway_billing.reconciliation import Account, Held, Range, compare
from gateway_billing.terminal import printable

if TYPE_CHECKING:
    from gateway_billing.database import Pool

_TIMEOUT_S = 3600.0
_SHOWN_RANGES = 20


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "reconcile", help="look at every number of every producer; ends with 1 when any is missing or there twice"
    )
    parser.add_argument(
        "--journal-list",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what `python -m gateway_router journal list --json` printed, one file for each journal volume;"
        " tells what to replay from there",
    )
    parser.add_argument("--producer", action="append", metavar="NAME", help="look at this one only; may be repeated")
    parser.set_defaults(act=_reconcile)


async def _reconcile(pool: "Pool", options: argparse.Namespace) -> int:
    try:
        journals = [held for path in options.journal_list for held in parse_journal_list(path.read_bytes())]
    except (OSError, JournalListInvalid) as error:
        print(f"--journal-list: {error}", file=sys.stderr)
        return 2
    accounts = await _accounts(pool, options.producer)
    for account in accounts:
        print(printable(_line(account)))
    unreadable = sum(item.producer is None for item in await quarantine.entries(pool))
    if unreadable:
        print(f"{unreadable} entries in quarantine name no producer: what is missing may be among them")
    missing, doubled = (sum(values) for values in zip(*map(_faults, accounts), strict=True)) if accounts else (0, 0)
    if options.journal_list:
        wanted = [held for held in journals if not options.producer or held.producer in options.producer]
        missing = _compare(accounts, wanted)
    print(f"{len(accounts)} producers: {missing} missing, {doubled} twice")
    return 1 if missing or doubled else 0


async def _accounts(pool: "Pool", producers: list[str] | None) -> list[Account]:
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        rows = await connection.fetch(statements.RECONCILE, producers, timeout=_TIMEOUT_S)
    return [
        Account(
            producer=row["producer"],
            produced=row["produced"],
            in_ledger=row["in_ledger"],
            doubled=row["doubled"],
            quarantined=row["quarantined"],
            dismissed=row["dismissed"],
            dropped=row["dropped"],
            closed=row["closed"],
            missing=tuple(map(Range, row["missing_first"] or (), row["missing_last"] or ())),
        )
        for row in rows
    ]


def _faults(account: Account) -> tuple[int, int]:
    return account.missing_count, account.doubled


def _line(account: Account) -> str:
    counts = {name: getattr(account, name) for name in ("quarantined", "dismissed", "dropped", "doubled")}
    parts = [
        f"{account.producer}: produced {account.produced}, in the ledger {account.in_ledger}",
        *(f"{name} {count}" for name, count in counts.items() if count),
        f"missing {account.missing_count}",
    ]
    ranges = ", ".join(map(str, account.missing[:_SHOWN_RANGES]))
    more = ", ..." if len(account.missing) > _SHOWN_RANGES else ""
    return ", ".join(parts) + (f": {ranges}{more}" if ranges else "") + ("" if account.closed else " (open)")


def _compare(accounts: list[Account], journals: list[Held]) -> int:
    """Prints what can be replayed and what cannot; how many are missing, with those that only a journal knows of."""
    found = compare(accounts, journals)
    for producer, part in found.replayable:
        where = f"--producer {shlex.quote(producer)} --from-sequence {part.first} --to-sequence {part.last}"
        print(printable(f"python -m gateway_router replay {where}"))
    for producer, part in found.lost:
        print(printable(f"in no journal: {producer} {part}"))
    return sum(part.count for _, part in (*found.replayable, *found.lost))
