"""`export-month`: a month of calls, of usage or of statement lines as CSV (RFC 4180), in one order, as one snapshot."""

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway_billing import statements
from gateway_billing.csv_lines import LineEnds
from gateway_billing.database import borrowed
from gateway_billing.output_file import appearing_whole

if TYPE_CHECKING:
    from gateway_billing.database import Pool

_TIMEOUT_S = 4 * 3600.0
_QUERIES = {
    "attempts": statements.EXPORT_ATTEMPTS,
    "usage": statements.EXPORT_USAGE,
    "statement": statements.EXPORT_STATEMENT,
}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("export-month", help="a month as CSV")
    parser.add_argument("--month", type=_month, required=True, metavar="YYYY-MM", help="calendar month, UTC")
    parser.add_argument("--tenant", help="of one tenant; without it, of all")
    parser.add_argument(
        "--lines",
        choices=_QUERIES,
        default="attempts",
        help="calls to providers (the default), usage by channel, plan and model, or the statements' lines",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="- is the standard output")
    parser.set_defaults(act=_export)


class _NotWritten(Exception):
    """The file could not be written; apart from OSError, which on a connection means that the database is away."""


async def _export(pool: "Pool", options: argparse.Namespace) -> int:
    try:
        with appearing_whole(options.output) as file:
            records = await _copy(pool, _QUERIES[options.lines], options.month, options.tenant, file)
    except (OSError, _NotWritten) as error:
        print(f"{options.output}: not written: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {records} lines below the header", file=sys.stderr)
    return 0


async def _copy(pool: "Pool", query: str, month: date, tenant_id: str | None, file: BinaryIO) -> int:
    """How many records there are, without the header."""
    line_ends = LineEnds()

    async def write(piece: bytes) -> None:
        try:
            file.write(line_ends.convert(piece))
        except OSError as error:
            raise _NotWritten(str(error)) from error

    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        await connection.copy_from_query(
            query, month, tenant_id, output=write, format="csv", header=True, timeout=_TIMEOUT_S
        )
    return line_ends.records - 1


def _month(text: str) -> date:
    """The first day of a month. Raises ValueError, which argparse tells."""
    return date.fromisoformat(f"{text}-01")
