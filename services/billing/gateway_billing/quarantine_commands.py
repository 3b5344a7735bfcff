"""`quarantine list | show | resubmit | fix | dismiss`: what could not be recorded, and what becomes of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway_billing import __version__, quarantine
from gateway_billing.book_keeper import BookKeeper
from gateway_billing.database import Pool
from gateway_billing.quarantine import Entry, NotResolved
from gateway_billing.terminal import printable

_NAME_LENGTH = 12


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("quarantine", help="events that could not be recorded: look at them, bring them in")
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)

    listing = actions.add_parser("list", help="what is open, with its error and where it came from")
    listing.add_argument("--all", action="store_true", help="what is resolved as well")
    listing.set_defaults(act=_list)

    showing = actions.add_parser("show", help="the bytes of one entry as they came, to the standard output")
    showing.add_argument("entry", metavar="SHA256", help="as in the list; the beginning is enough")
    showing.set_defaults(act=_show)

    resubmitting = actions.add_parser("resubmit", help="read entries anew, after this program was mended")
    which = resubmitting.add_mutually_exclusive_group(required=True)
    which.add_argument("entries", nargs="*", default=[], metavar="SHA256")
    which.add_argument("--all", action="store_true", help="all that are open")
    resubmitting.add_argument("--note", default=f"read anew by version {__version__}")
    resubmitting.set_defaults(act=_resubmit)

    fixing = actions.add_parser("fix", help="record an edited event in the place of an entry")
    fixing.add_argument("entry", metavar="SHA256")
    fixing.add_argument("--file", type=Path, required=True, help="the event as JSON; - is the standard input")
    fixing.add_argument("--note", required=True, help="what was changed, and why")
    fixing.set_defaults(act=_fix)

    dismissing = actions.add_parser("dismiss", help="set an entry aside that is no event, or that the ledger has")
    dismissing.add_argument("entry", metavar="SHA256")
    dismissing.add_argument("--note", required=True, help="why nothing is lost")
    dismissing.set_defaults(act=_dismiss)


async def _list(pool: "Pool", options: argparse.Namespace) -> int:
    found = await quarantine.entries(pool, with_resolved=options.all)
    for item in found:
        print(_line(item))
    print(f"{sum(item.resolution is None for item in found)} open")
    return 0


async def _show(pool: "Pool", options: argparse.Namespace) -> int:
    item = await quarantine.entry(pool, options.entry)
    print(_line(item), file=sys.stderr)
    sys.stdout.buffer.write(item.raw + b"\n")
    return 0


async def _resubmit(pool: "Pool", options: argparse.Namespace) -> int:
    found: Sequence[Entry] = (
        await quarantine.entries(pool)
        if options.all
        else [await quarantine.entry(pool, prefix) for prefix in options.entries]
    )
    keeper = await _keeper(pool)
    remaining = 0
    for item in found:
        try:
            event_id = await quarantine.resubmit(pool, keeper, item, note=options.note)
            print(f"{item.raw_sha256[:_NAME_LENGTH]}: recorded as event {event_id}")
        except NotResolved as error:
            remaining += 1
            print(f"{item.raw_sha256[:_NAME_LENGTH]}: not recorded: {printable(str(error))}", file=sys.stderr)
    return 1 if remaining else 0


async def _fix(pool: "Pool", options: argparse.Namespace) -> int:
    item = await quarantine.entry(pool, options.entry)
    try:
        edited = sys.stdin.buffer.read() if str(options.file) == "-" else options.file.read_bytes()
    except OSError as error:
        raise NotResolved(f"{options.file}: {error.strerror}") from error
    event_id = await quarantine.resubmit(pool, await _keeper(pool), item, edited=edited, note=options.note)
    print(f"{item.raw_sha256[:_NAME_LENGTH]}: recorded as event {event_id}")
    return 0


async def _dismiss(pool: "Pool", options: argparse.Namespace) -> int:
    item = await quarantine.entry(pool, options.entry)
    await quarantine.dismiss(pool, item, note=options.note)
    print(f"{item.raw_sha256[:_NAME_LENGTH]}: dismissed")
    return 0


def _line(item: Entry) -> str:
    origin = f"{item.producer} {item.sequence}" if item.producer else "producer not readable"
    parts = [
        item.raw_sha256[:_NAME_LENGTH],
        f"{item.received_at:%Y-%m-%d %H:%M:%SZ}",
        origin,
        f"tenant {item.tenant_id}" if item.tenant_id else "tenant not readable",
        f"{len(item.raw)} bytes",
        item.error,
    ]
    if item.resolution is not None:
        parts.append(item.resolution)
    return printable("  ".join(parts))


async def _keeper(pool: Pool) -> BookKeeper:
    keeper = BookKeeper(pool)
    await keeper.load_once()
    return keeper
