"""`close-month`: refuses while anything of the month is open, and says what; else nothing of it changes any more."""

import argparse
import sys
from datetime import date

from gateway_billing.database import Pool
from gateway_billing.month_close import Forced, Month, NotClosed, close_month


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "close-month", help="keep a month's statements as they are; what comes later is an adjustment"
    )
    parser.add_argument("--month", type=_month, required=True, metavar="YYYY-MM", help="calendar month, UTC")
    parser.add_argument("--tenant", help="for one tenant; without it, for the whole ledger")
    parser.add_argument(
        "--force-unpriced", action="store_true", help="close it though events have no cost or no charge yet"
    )
    parser.add_argument(
        "--force-incomplete", action="store_true", help="close it though events are in quarantine or missing"
    )
    parser.set_defaults(act=_close)


def _month(text: str) -> Month:
    """Raises ValueError."""
    return Month(date.fromisoformat(f"{text}-01"))


async def _close(pool: Pool, options: argparse.Namespace) -> int:
    forced = Forced(unpriced=options.force_unpriced, incomplete=options.force_incomplete)
    whose = f"tenant {options.tenant}" if options.tenant else "all tenants"
    try:
        passed_over = await close_month(pool, options.month, options.tenant, forced=forced)
    except NotClosed as error:
        print(f"{options.month} stays open for {whose}:\n{error}", file=sys.stderr)
        return 1
    for blocker in passed_over:
        print(f"passed over: {blocker}")
    print(f"{options.month} is closed for {whose}")
    return 0
