"""Which rates count for an event: the model's name, the moment, and the books' precedence. Pure.

A version replaces the earlier version of its book as a whole, from its `effective_from` on; the
book with the higher precedence counts where several price a model. When no version in force at the
event's time prices the model, the earliest later one that does is used, and the rating says so.

Names are compared without regard to case, first as the provider served it, then as it was asked
for (never the client's word: after a fallback that is another model), each also without the
provider's own name in front; last, a dated name without its date, since providers keep a price
across the snapshots of a model, and those that differ are in the map under their dates.

A provider that was registered with prices of its own has them looked up before its kind's: under the
names in full, and again under those without their date. So a snapshot that the kind's prices name does
not cost what the provider asks for the undated model, and what its own do not price costs as the kind's.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import product

from gateway_billing.price_file import ModelPrice
from gateway_shared.price_provider import price_kind, price_providers

_DATE = re.compile(r"[-@](?:20\d\d-[01]\d-[0-3]\d|20\d\d[01]\d[0-3]\d)$")


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """One imported file, without its prices."""

    version_id: int
    book: str
    precedence: int
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class FoundPrice:
    """The price of a model; `remark` says what is not plain about it ("" when nothing), `words` name it with that."""

    version: PriceVersion
    price: ModelPrice
    remark: str
    words: str


class PriceBook:
    """All versions of all books, looked up by provider, model and time."""

    def __init__(self, versions: Iterable[tuple[PriceVersion, Iterable[ModelPrice]]]) -> None:
        loaded = sorted(versions, key=lambda item: (item[0].effective_from, item[0].version_id))
        self._versions = [version for version, _ in loaded]
        self._starts = [version.effective_from for version in self._versions]
        self._prices = {
            version.version_id: {(price.provider, price.model.casefold()): price for price in prices}
            for version, prices in loaded
        }
        self._owners = {version_id: {provider for provider, _ in prices} for version_id, prices in self._prices.items()}
        self._found = lru_cache(maxsize=4096)(self._search)

    @property
    def newest(self) -> int:
        """The highest version number, 0 when there is none."""
        return max(self._prices, default=0)

    @property
    def version_count(self) -> int:
        return len(self._prices)

    @property
    def providers(self) -> set[str]:
        return set().union(*self._owners.values())

    def find(self, provider: str, model_served: str | None, model_upstream: str, *, at: datetime) -> FoundPrice | None:
        return self._found(provider, model_served, model_upstream, self.versions_begun(at))

    def versions_begun(self, at: datetime) -> int:
        """Of two moments with the same number the same prices count."""
        return bisect_right(self._starts, at)

    def _search(
        self, provider: str, model_served: str | None, model_upstream: str, versions_begun: int
    ) -> FoundPrice | None:
        for owner, name, name_remark in price_keys(provider, model_served, model_upstream):
            for version, time_remark in self._in_order(owner, versions_begun):
                price = self._prices[version.version_id].get((owner, name))
                if price is not None:
                    remark = "; ".join(part for part in (name_remark, time_remark) if part)
                    words = f"{version.book}: {price.provider}/{price.model}"
                    return FoundPrice(version, price, remark, f"{words}; {remark}" if remark else words)
        return None

    def _in_order(self, owner: str, versions_begun: int) -> list[tuple[PriceVersion, str]]:
        """The version of each book in force, then those that begin later; both by precedence.

        Of a provider's own prices none that begin later, once it has some: until then its kind's count.
        """
        in_force = {version.book: version for version in self._versions[:versions_begun]}
        later = self._versions[versions_begun:]
        if owner != price_kind(owner) and any(owner in self._owners[one.version_id] for one in in_force.values()):
            later = []
        return [
            *((version, "") for version in sorted(in_force.values(), key=_by_precedence)),
            *(
                (version, f"by rates of {version.effective_from:%Y-%m-%d %H:%M} UTC, after the event")
                for version in sorted(later, key=_by_precedence)
            ),
        ]


def _by_precedence(version: PriceVersion) -> int:
    return -version.precedence


def price_keys(provider: str, model_served: str | None, model_upstream: str) -> Iterator[tuple[str, str, str]]:
    """Whose prices to look for under which name, best first, each with what is not plain about it."""
    exact = _names_in_full(provider, model_served, model_upstream)
    for names in (exact, _names_without_date(exact)):
        for owner, (name, remark) in product(price_providers(provider), names.items()):
            yield owner, name, remark


def model_names(provider: str, model_served: str | None, model_upstream: str) -> list[str]:
    """All names of a model, best first."""
    exact = _names_in_full(provider, model_served, model_upstream)
    return [*exact, *_names_without_date(exact)]


def _names_in_full(provider: str, model_served: str | None, model_upstream: str) -> dict[str, str]:
    """Each with its remark."""
    exact: dict[str, str] = {}
    prefix = f"{price_kind(provider)}/"
    for name, remark in ((model_served, ""), (model_upstream, "by the name asked for" if model_served else "")):
        if name:
            exact.setdefault(name.casefold(), remark)
            exact.setdefault(name.casefold().removeprefix(prefix), remark)
    return exact


def _names_without_date(exact: Mapping[str, str]) -> dict[str, str]:
    undated = (_DATE.sub("", name) for name in exact)
    return {name: "by the name without its date" for name in undated if name not in exact}
