"""`prices show` and `export-prices`: what a model costs at a time, and a book as a file that can be imported again."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import orjson

from gateway_billing import price_store
from gateway_billing.book_keeper import load_books
from gateway_billing.database import Pool
from gateway_billing.output_file import appearing_whole
from gateway_billing.price_book import FoundPrice, PriceBook
from gateway_billing.rerate_command import moment

_NANO_USD = Decimal(10) ** 9


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    prices = commands.add_parser("prices", help="look prices up")
    actions = prices.add_subparsers(dest="action", metavar="action", required=True)
    showing = actions.add_parser("show", help="what a model costs at a time, as an event of then would be priced")
    showing.add_argument("--model", required=True, help="as the provider names it")
    showing.add_argument("--provider", help="one provider; without it, all that have the model")
    showing.add_argument("--at", type=moment, metavar="TIME", help="RFC 3339, or a date; without it, now")
    showing.set_defaults(act=_show)
    exporting = commands.add_parser("export-prices", help="write a price book in the format of import-prices")
    exporting.add_argument("--book", required=True, help="overrides, litellm, ...")
    exporting.add_argument("--at", type=moment, metavar="TIME", help="the version in force then; without it, now")
    exporting.add_argument("--output", type=Path, required=True, metavar="FILE", help="- is the standard output")
    exporting.set_defaults(act=_export)


async def _show(pool: Pool, options: argparse.Namespace) -> int:
    book = (await load_books(pool)).prices
    at = options.at or datetime.now(UTC)
    found = _found(book, options.provider, options.model, at)
    for price in found:
        print("\n".join(_description(price)))
    if not found:
        print(f"no price for {options.model} at {at:%Y-%m-%dT%H:%M:%SZ}", file=sys.stderr)
    return 0 if found else 1


def _found(book: PriceBook, provider: str | None, model: str, at: datetime) -> list[FoundPrice]:
    if provider is not None:
        price = book.find(provider, model, model, at=at)
        return [price] if price is not None else []
    each = ((one, book.find(one, model, model, at=at)) for one in sorted(book.providers))
    # a provider whose own prices do not count for the model costs as its kind, which is in the list itself
    return [price for one, price in each if price is not None and price.price.provider == one]


def _description(found: FoundPrice) -> Iterator[str]:
    price, version = found.price, found.version
    yield f"{price.provider}/{price.model}"
    yield f"  book {version.book}, version {version.version_id}, from {version.effective_from:%Y-%m-%dT%H:%M:%SZ} on"
    if found.remark:
        yield f"  {found.remark}"
    yield f"  source: {price.source}"
    if price.note:
        yield f"  note: {price.note}"
    for key, nano_usd in sorted(price.rates.items(), key=lambda item: item[0].sort_key):
        above = f", above {key.context_above_tokens} input tokens" if key.context_above_tokens else ""
        yield f"  {key.kind}, {key.service_tier}{above}: {nano_usd / _NANO_USD:f} USD per million tokens"


async def _export(pool: Pool, options: argparse.Namespace) -> int:
    content = await price_store.export_prices(pool, options.book, at=options.at or datetime.now(UTC))
    if content is None:
        print(f"there is no book {options.book}", file=sys.stderr)
        return 1
    try:
        with appearing_whole(options.output) as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        print(f"{options.output}: not written: {error.strerror}", file=sys.stderr)
        return 1
    what = f"book {options.book}, {content['source_version']}, {len(content['models'])} models"
    print(f"{options.output}: {what}", file=sys.stderr)
    return 0
