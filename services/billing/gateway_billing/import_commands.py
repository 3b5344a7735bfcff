"""`import-prices` and `import-tariffs`: files into the books, and what they make ratable is rated."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from gateway_billing import price_checks, price_store, tariff_store
from gateway_billing.book_file import BookFileInvalid
from gateway_billing.book_keeper import load_books
from gateway_billing.book_lock import BooksOutdated
from gateway_billing.database import Pool
from gateway_billing.newest_version import NotImported
from gateway_billing.price_file import PriceFile, parse_price_file
from gateway_billing.tariff_file import TariffFile, parse_tariff_file
from gateway_billing.unrated import rate_unrated

_File = TypeVar("_File", PriceFile, TariffFile)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    prices = commands.add_parser("import-prices", help="import price files; the same content again is nothing")
    prices.add_argument("files", nargs="+", type=Path, metavar="FILE", help="- is the standard input")
    prices.add_argument(
        "--strict", action="store_true", help="import nothing where there is a warning, for example of a missing rate"
    )
    _add_bundled(prices)
    prices.set_defaults(act=import_prices)
    tariffs = commands.add_parser("import-tariffs", help="import tariff files; the same content again is nothing")
    tariffs.add_argument("files", nargs="+", type=Path, metavar="FILE", help="- is the standard input")
    _add_bundled(tariffs)
    tariffs.set_defaults(act=import_tariffs)


def _add_bundled(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundled",
        action="store_true",
        help="the files came with the release, as at each start: import nothing over a version that did not",
    )


async def import_prices(pool: Pool, options: argparse.Namespace) -> int:
    """Reads and checks all files before it writes any. Raises BookFileInvalid."""
    files = _read(options.files, parse_price_file)
    warnings = [
        f"{path}: {warning}"
        for path, file in files
        if await price_store.would_import(pool, file, bundled=options.bundled)
        for warning in await _warnings(pool, file)
    ]
    if warnings and options.strict:
        raise BookFileInvalid([*warnings, "nothing was imported (--strict)"])
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for path, file in files:
        try:
            version_id = await price_store.import_prices(pool, file, bundled=options.bundled)
            what = f"version {version_id}, {len(file.models)} models"
        except NotImported as error:
            what = str(error)
        print(f"{path}: book {file.book}, {file.source_version}: {what}")
    return await _rate_unrated(pool)


async def import_tariffs(pool: Pool, options: argparse.Namespace) -> int:
    """As `import_prices`; each file is a version of its own. Raises BookFileInvalid."""
    for path, file in _read(options.files, parse_tariff_file):
        try:
            version_id = await tariff_store.import_tariffs(pool, file, bundled=options.bundled)
            what = f"version {version_id}, {len(file.rules)} rules"
        except NotImported as error:
            what = str(error)
        print(f"{path}: tariffs, {file.source_version}: {what}")
    return await _rate_unrated(pool)


async def _warnings(pool: Pool, file: PriceFile) -> list[str]:
    now = datetime.now(UTC)
    book = (await load_books(pool)).prices
    found = list(price_checks.warnings(file, now=now, used=await price_store.used_kinds(pool), book=book))
    if file.effective_from is not None and file.effective_from < now:
        events = await price_store.count_events_since(pool, file.effective_from)
        if events:
            found.append(price_checks.warning_of_the_past(file.effective_from, events))
    return found


async def _rate_unrated(pool: Pool) -> int:
    while True:
        try:
            count = await rate_unrated(pool, await load_books(pool))
        except BooksOutdated:
            continue
        print(
            f"events without a cost or a charge: {count.rated} rated now,"
            f" {count.unpriced} without a cost and {count.uncharged} without a charge remain"
        )
        return 0


def _read(paths: Sequence[Path], parse: Callable[[bytes], _File]) -> list[tuple[Path, _File]]:
    files: list[tuple[Path, _File]] = []
    problems: list[str] = []
    for path in paths:
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
            files.append((path, parse(data)))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except BookFileInvalid as error:
            problems += [f"{path}: {problem}" for problem in error.problems]
    if problems:
        raise BookFileInvalid(problems)
    return files
