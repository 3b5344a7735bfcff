"""`import-prices` and `import-tariffs`: files into the books, and what they make ratable is rated."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gateway_billing import price_store, tariff_store
from gateway_billing.book_file import BookFileInvalid
from gateway_billing.book_keeper import load_books
from gateway_billing.book_lock import BooksOutdated
from gateway_billing.database import Pool
from gateway_billing.price_file import PriceFile, parse_price_file
from gateway_billing.tariff_file import TariffFile, parse_tariff_file
from gateway_billing.unrated import rate_unrated

_File = TypeVar("_File", PriceFile, TariffFile)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    prices = commands.add_parser("import-prices", help="import price files; the same content again is nothing")
    prices.add_argument("files", nargs="+", type=Path, metavar="FILE")
    prices.set_defaults(act=import_prices)
    tariffs = commands.add_parser("import-tariffs", help="import tariff files; the same content again is nothing")
    tariffs.add_argument("files", nargs="+", type=Path, metavar="FILE")
    tariffs.set_defaults(act=import_tariffs)


async def import_prices(pool: Pool, options: argparse.Namespace) -> int:
    """Reads all files before it writes any. Raises BookFileInvalid."""
    for path, file in _read(options.files, parse_price_file):
        version_id = await price_store.import_prices(pool, file)
        what = "already imported" if version_id is None else f"version {version_id}, {len(file.models)} models"
        print(f"{path}: book {file.book}, {file.source_version}: {what}")
    return await _rate_unrated(pool)


async def import_tariffs(pool: Pool, options: argparse.Namespace) -> int:
    """As `import_prices`; each file is a version of its own. Raises BookFileInvalid."""
    for path, file in _read(options.files, parse_tariff_file):
        version_id = await tariff_store.import_tariffs(pool, file)
        what = "already imported" if version_id is None else f"version {version_id}, {len(file.rules)} rules"
        print(f"{path}: tariffs, {file.source_version}: {what}")
    return await _rate_unrated(pool)


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
            files.append((path, parse(path.read_bytes())))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except BookFileInvalid as error:
            problems += [f"{path}: {problem}" for problem in error.problems]
    if problems:
        raise BookFileInvalid(problems)
    return files
