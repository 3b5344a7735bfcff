"""`retention`: drops whole months of events and ratings that are older than what has to be kept."""

import argparse
import sys
from datetime import date
from typing import TYPE_CHECKING

from gateway_billing import statements
from gateway_billing.database import DatabaseAway, DataRefused, borrowed

if TYPE_CHECKING:
    from gateway_billing.database import Pool

_TIMEOUT_S = 3600.0


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "retention",
        help="drop months of the ledger that are closed, complete, priced and old, as the owner of the database; ends"
        " with 1 when one has to stay",
    )
    parser.add_argument(
        "--keep-months", type=_months, required=True, metavar="N", help="months to keep before the current one"
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be dropped")
    parser.set_defaults(act=_retain)


async def _retain(pool: "Pool", options: argparse.Namespace) -> int:
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        await connection.execute(statements.ADVANCE_CHECKPOINTS, timeout=_TIMEOUT_S)
        months = await connection.fetch(statements.SELECT_OLD_MONTHS, options.keep_months, timeout=_TIMEOUT_S)
    stay = 0
    for row in months:
        month = f"{row['month']:%Y-%m}"
        if row["obstacles"]:
            stay += 1
            print(f"{month}: stays: {row['obstacles']}", file=sys.stderr)
        elif options.dry_run:
            print(f"{month}: {row['events']} events would be dropped; to have them as a file first: {_export(month)}")
        else:
            stay += not await _drop(pool, row["month"], month)
    if not months:
        print(f"no month is older than {options.keep_months} months before this one")
    return 1 if stay else 0


async def _drop(pool: "Pool", first_day: date, month: str) -> bool:
    try:
        async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
            events = await connection.fetchval(statements.DROP_MONTH, first_day, timeout=_TIMEOUT_S)
    except (DatabaseAway, DataRefused) as error:
        # it may be in use, or something has come in since we looked
        print(f"{month}: not dropped, try again: {error}", file=sys.stderr)
        return False
    print(f"{month}: dropped {events} events and their ratings")
    return True


def _export(month: str) -> str:
    return f"python -m gateway_billing export-month --month {month} --output {month}.csv"


def _months(text: str) -> int:
    months = int(text)
    if not 1 <= months <= 1_200:
        raise argparse.ArgumentTypeError(f"{text} is not a number of months from 1 up")
    return months
