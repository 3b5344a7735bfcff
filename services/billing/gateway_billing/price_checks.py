"""What an operator should know of a price file before it counts. Pure: warnings in words.

A file that prices a model without a rate for a kind of token that occurs leaves those calls unpriced,
since no token is billed at another kind's rate. That a kind occurs is told by the ledger, and by the
prices that the file takes the place of: the earlier version of its book, and books of lower precedence.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime

from gateway_billing.price_book import PriceBook, price_keys
from gateway_billing.price_file import ModelPrice, PriceFile


@dataclass(frozen=True, slots=True)
class UsedKinds:
    """Kinds of token beside plain input and output that a model's calls had of late."""

    provider: str
    model_served: str | None
    model_upstream: str
    kinds: Set[str]


def warnings(file: PriceFile, *, now: datetime, used: Iterable[UsedKinds], book: PriceBook) -> Iterator[str]:
    """`book` is what counts without the file."""
    prices = {(price.provider, price.model.casefold()): price for price in file.models}
    told: set[tuple[str, str, str]] = set()
    for one in used:
        price = _price(prices, one, _standing(file, one, book, now))
        if price is not None:
            for kind in sorted(one.kinds - _kinds(price)):
                told.add((price.provider, price.model, kind))
                yield f"{price.provider}/{price.model}: no rate for {kind} tokens, which its calls in the ledger have"
    for price in file.models:
        found = book.find(price.provider, price.model, price.model, at=now)
        if found is None or found.version.precedence > file.precedence:
            continue
        for kind in sorted(_kinds(found.price) - _kinds(price)):
            if (price.provider, price.model, kind) not in told:
                yield (
                    f"{price.provider}/{price.model}: no rate for {kind} tokens, which book {found.version.book} has"
                    f" in version {found.version.version_id}"
                )


def warning_of_the_past(effective_from: datetime, events: int) -> str:
    return (
        f"its rates count from {effective_from:%Y-%m-%dT%H:%M:%SZ} on: {events} events since then keep the amounts that"
        " they have until `rerate`"
    )


def _standing(file: PriceFile, used: UsedKinds, book: PriceBook, now: datetime) -> tuple[str, str] | None:
    """Under whose prices and which name these calls are found in the other books."""
    found = book.find(used.provider, used.model_served, used.model_upstream, at=now)
    if found is None or found.version.book == file.book:
        return None
    return found.price.provider, found.price.model.casefold()


def _price(
    prices: dict[tuple[str, str], ModelPrice], used: UsedKinds, standing: tuple[str, str] | None
) -> ModelPrice | None:
    """The file's price for these calls; None as well where another book has them under a better name."""
    for owner, name, _ in price_keys(used.provider, used.model_served, used.model_upstream):
        price = prices.get((owner, name))
        if price is not None or (owner, name) == standing:
            return price
    return None


def _kinds(price: ModelPrice) -> set[str]:
    """What a price has a rate for; reasoning is left out, since the output rate stands in for it."""
    return {str(key.kind) for key in price.rates if key.kind != "reasoning"}
