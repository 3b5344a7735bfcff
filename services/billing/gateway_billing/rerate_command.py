"""`rerate`: ratings by the books as they are now, for the events of some time."""

import argparse
from datetime import UTC, datetime

from gateway_billing.database import Pool
from gateway_billing.rerating import Changes, Range, Rerated, rerate


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "rerate",
        help="rate events again by the prices and tariffs of now; where the amount differs, add a revision, or in a"
        " closed month an adjustment",
    )
    parser.add_argument("--from", dest="begin", type=moment, required=True, metavar="TIME", help="RFC 3339, or a date")
    parser.add_argument("--to", dest="end", type=moment, required=True, metavar="TIME", help="events before that time")
    parser.add_argument("--tenant", help="of one tenant only")
    parser.add_argument("--kind", choices=("cost", "charge"), help="one of both only")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")
    parser.add_argument("--reason", required=True, help="why, for the rows that are written")
    parser.set_defaults(act=_rerate)


def moment(text: str) -> datetime:
    """UTC, also where the text has no time zone. Raises ValueError."""
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


async def _rerate(pool: Pool, options: argparse.Namespace) -> int:
    result = await rerate(
        pool,
        Range(options.begin, options.end, options.tenant),
        kinds=(options.kind,) if options.kind else ("cost", "charge"),
        reason=options.reason,
        is_dry_run=options.dry_run,
    )
    print(_summary(result))
    if options.dry_run:
        print("a dry run: nothing was written")
    return 0


def _summary(result: Rerated) -> str:
    return "\n".join(
        [
            f"{result.events} events looked at, {result.unratable} of them without any amount by the books of now",
            *(f"{kind}: {_changes(changes)}" for kind, changes in result.changes.items()),
        ]
    )


def _changes(changes: Changes) -> str:
    return (
        f"{changes.revisions} revisions ({changes.revised_nano_usd:+d} nano-USD),"
        f" {changes.adjustments} adjustments of closed months ({changes.adjusted_nano_usd:+d} nano-USD)"
    )
