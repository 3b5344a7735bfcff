"""Arguments of `replay`, `journal list` and `journal show`: an operator's look at the journals, and their way back."""

import argparse
import os
from pathlib import Path


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    replay = commands.add_parser(
        "replay", help="publish again what the journals hold; the ledger drops what it has already"
    )
    replay.add_argument("--producer", metavar="NAME", help="of this one only, <instance>/<boot>")
    replay.add_argument("--from-sequence", type=_number, default=1, metavar="N")
    replay.add_argument("--to-sequence", type=_number, default=None, metavar="N")
    replay.add_argument("--dry-run", action="store_true", help="count only")
    _add_journal(replay)

    journal = commands.add_parser("journal", help="look at the journals, of living routers too; nothing is changed")
    acts = journal.add_subparsers(dest="act", required=True, metavar="act")
    listing = acts.add_parser("list", help="each producer: what it ended, what is confirmed, what is still here")
    listing.add_argument("--json", action="store_true", help="for `python -m gateway_billing reconcile --journal-list`")
    _add_journal(listing)
    showing = acts.add_parser("show", help="the events of one producer, as published: one JSON object a line")
    showing.add_argument("--producer", required=True, metavar="NAME", help="<instance>/<boot>")
    showing.add_argument("--sequences", type=_range, default=(1, None), metavar="A-B")
    _add_journal(showing)


def _add_journal(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("JOURNAL_DIR")
    parser.add_argument(
        "--journal",
        type=_folder,
        default=default,
        required=not default,
        metavar="DIR",
        help="the journal volume (default: JOURNAL_DIR)",
    )


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("sequences count from 1")
    return int(text)


def _range(text: str) -> tuple[int, int | None]:
    first, dash, last = text.partition("-")
    return _number(first), (_number(last) if last else None) if dash else _number(first)
