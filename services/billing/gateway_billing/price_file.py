"""Our price format: JSON that a person can review in a diff. Pure: bytes in, prices out.

    {"format": "agent-gateway-prices/1", "book": "overrides", "precedence": 100,
     "source": "...", "source_version": "...", "source_sha256": null, "effective_from": "2026-01-01T00:00:00Z",
     "models": [{"provider": "meta", "model": "Llama-3.3-70B-Instruct", "aliases": ["llama-3.3-70b"],
                 "source": "https://...", "source_date": "2026-11-23", "note": "...", "free": false,
                 "rates": {"standard": {"0": {"input": 880000000, "output": 880000000}}}}]}

Rates are integers, nano-USD per million tokens, by service tier, then by the input tokens above
which they count, then by kind of token. A rate of 0 needs `"free": true`: elsewhere 0 often means
that nobody filled it in. Without `effective_from` the rates count from the import on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from gateway_billing.book_file import BookFileInvalid, content_sha256, moment_of, read_content, text_of
from gateway_billing.pricing import TOKEN_KINDS, RateKey, Rates

FORMAT = "agent-gateway-prices/1"
_VERSION_MEMBERS = ("book", "precedence", "source", "source_version", "source_sha256")
MAX_RATE = 10**15
"""1,000 USD for a thousand tokens: anything above is a slip of the unit."""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """The rates of one model under one name; an alias is a ModelPrice of its own."""

    provider: str
    model: str
    rates: Rates
    source: str
    source_date: date | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PriceFile:
    """One file. `content_sha256` is over all of it but `effective_from`, and the same however it is written down."""

    book: str
    precedence: int
    source: str
    source_version: str
    source_sha256: str | None
    effective_from: datetime | None
    models: tuple[ModelPrice, ...]
    content_sha256: str


def parse_price_file(data: bytes) -> PriceFile:
    """Raises BookFileInvalid with all problems at once."""
    content: Any = read_content(
        data,
        form=FORMAT,
        members={"book": str, "precedence": int, "source": str, "source_version": str, "models": list},
    )
    problems: list[str] = []
    models = _models(content["models"], problems)
    try:
        effective_from = moment_of(content, "effective_from")
    except ValueError as error:
        problems.append(str(error))
    if not content["models"]:
        problems.append('"models" is empty')
    if problems:
        raise BookFileInvalid(problems)
    version = {name: content.get(name) for name in _VERSION_MEMBERS}
    return PriceFile(
        **version,
        effective_from=effective_from,
        models=models,
        content_sha256=content_sha256(price_content(version, None, models)),
    )


def price_content(
    version: Mapping[str, Any], effective_from: datetime | None, models: Iterable[ModelPrice]
) -> dict[str, Any]:
    """A file of this format, without aliases, always in the same order. `version` has the other members."""
    return {
        "format": FORMAT,
        **{name: version[name] for name in _VERSION_MEMBERS},
        "effective_from": effective_from.isoformat() if effective_from else None,
        "models": [_model_content(price) for price in sorted(models, key=lambda one: (one.provider, one.model))],
    }


def _model_content(price: ModelPrice) -> dict[str, Any]:
    tiers: dict[str, dict[str, dict[str, int]]] = {}
    for key, rate in sorted(price.rates.items(), key=lambda item: item[0].sort_key):
        tiers.setdefault(key.service_tier, {}).setdefault(str(key.context_above_tokens), {})[key.kind] = rate
    content: dict[str, Any] = {"provider": price.provider, "model": price.model, "source": price.source}
    if price.source_date is not None:
        content["source_date"] = price.source_date.isoformat()
    if price.note is not None:
        content["note"] = price.note
    if 0 in price.rates.values():
        content["free"] = True
    return content | {"rates": tiers}


def _models(entries: list[object], problems: list[str]) -> tuple[ModelPrice, ...]:
    models: dict[tuple[str, str], ModelPrice] = {}
    for number, entry in enumerate(entries):
        where = f"models[{number}]"
        try:
            if not isinstance(entry, dict):
                raise ValueError("is not an object")  # noqa: TRY004 - the file is wrong, not the program
            where = f"{entry.get('provider')}/{entry.get('model')}"
            for price in _named(entry):
                name = (price.provider, price.model.casefold())
                if name in models:
                    raise ValueError(f"{price.model} is there twice")
                models[name] = price
        except ValueError as error:
            problems.append(f"{where}: {error}")
    return tuple(models.values())


def _named(entry: Mapping[str, object]) -> list[ModelPrice]:
    """The model and its aliases. Raises ValueError."""
    provider, model = text_of(entry, "provider"), text_of(entry, "model")
    source_date = entry.get("source_date")
    aliases = entry.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) and alias for alias in aliases):
        raise ValueError('"aliases" is not a list of names')
    price = ModelPrice(
        provider=provider,
        model=model,
        rates=_rates(entry.get("rates"), is_free=entry.get("free") is True),
        source=text_of(entry, "source"),
        source_date=date.fromisoformat(str(source_date)) if source_date is not None else None,
        note=text_of(entry, "note") if entry.get("note") is not None else None,
    )
    return [price, *(replace(price, model=alias) for alias in aliases)]


def _rates(tiers: object, *, is_free: bool) -> dict[RateKey, int]:
    if not isinstance(tiers, dict) or not tiers:
        raise ValueError('"rates" is empty')
    rates: dict[RateKey, int] = {}
    for tier, thresholds in tiers.items():
        if not isinstance(thresholds, dict):
            raise ValueError(f"tier {tier} is not an object of thresholds")  # noqa: TRY004 - as above
        for threshold, by_kind in thresholds.items():
            if not threshold.isascii() or not threshold.isdigit() or not isinstance(by_kind, dict):
                raise ValueError(f"threshold {threshold!r} is not a number of tokens with rates")
            for kind, rate in by_kind.items():
                if kind not in TOKEN_KINDS:
                    raise ValueError(f"{kind!r} is not one of {', '.join(TOKEN_KINDS)}")
                if type(rate) is not int or not 0 <= rate <= MAX_RATE:
                    raise ValueError(f"{kind}: {rate!r} is not a rate in integer nano-USD per million tokens")
                if rate == 0 and not is_free:
                    raise ValueError(f'{kind}: a rate of 0 needs "free": true')
                rates[RateKey(kind, tier, int(threshold))] = rate
    return rates
