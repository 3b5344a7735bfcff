"""The page of costs worked out by hand, read as data: `docs/cost-cases.md`."""

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gateway_billing.pricing import RateKey, TokenKind
from gateway_shared.usage_event import TokenCounts

PAGE = Path(__file__).parents[3] / "docs" / "cost-cases.md"

_KINDS: dict[str, TokenKind] = {
    "in": "input",
    "cached": "cached_input",
    "w5m": "cache_write_5m",
    "w1h": "cache_write_1h",
    "audio-in": "input_audio",
    "out": "output",
    "reasoning": "reasoning",
    "audio-out": "output_audio",
}
_NANO_USD_PER_USD = 10**9


@dataclass(frozen=True)
class ListPrice:
    """One row of the price table; rates in nano-USD per million tokens."""

    provider: str
    model: str
    rates: dict[RateKey, int]


@dataclass(frozen=True)
class CostCase:
    """One row of the case table. `steps` are the sides of its chain of equations, micro-USD."""

    model: str
    tier: str | None
    tokens: TokenCounts
    arithmetic: str
    nano_usd: int

    @property
    def steps(self) -> list[Decimal]:
        return [sum((_product(term) for term in side.split(" + ")), Decimal()) for side in self.arithmetic.split(" = ")]


def list_prices() -> list[ListPrice]:
    prices = []
    for row in _rows("## List prices"):
        tier, above = row["tier"], int(row["above"])
        rates = {
            RateKey(kind, tier, above): int(Decimal(row[name]) * _NANO_USD_PER_USD)
            for name, kind in _KINDS.items()
            if row[name]
        }
        prices.append(ListPrice(row["provider"], row["model"], rates))
    return prices


def cases() -> list[CostCase]:
    return [
        CostCase(
            model=row["model"],
            tier=row["tier"] or None,
            tokens=_tokens(row["tokens"]),
            arithmetic=row["by hand, micro-USD"],
            nano_usd=int(row["nano-USD"].replace(",", "")),
        )
        for row in _rows("## Cases")
    ]


def _tokens(text: str) -> TokenCounts:
    counts = dict(part.rsplit(" ", 1) for part in text.split(", "))
    return TokenCounts(**{f"{_KINDS[name]}_tokens": int(count) for name, count in counts.items()})


def _product(term: str) -> Decimal:
    result = Decimal(1)
    for factor in term.split(" x "):
        result *= Decimal(factor)
    return result


def _rows(heading: str) -> list[dict[str, str]]:
    section = PAGE.read_text().split(f"\n{heading}\n")[1].split("\n## ")[0]
    lines = [re.split(r"\s*\|\s*", line.strip())[1:-1] for line in section.splitlines() if line.startswith("|")]
    header, _, *rows = lines
    return [dict(zip(header, row, strict=True)) for row in rows]
