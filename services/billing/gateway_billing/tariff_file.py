"""Our tariff format: JSON that a person can review in a diff. Pure: bytes in, rules and volume tiers out.

    {"format": "agent-gateway-tariffs/1", "source": "...", "source_version": "...",
     "effective_from": "2026-01-01T00:00:00Z",
     "rules": [{"channel": "standard", "plan": "*", "provider": "*", "model": "gpt-4o*", "note": "...",
                "rates": {"*": {"markup_bp": 12000}, "output": {"nano_usd_per_million_tokens": 12000000000}},
                "policies": {"partial": "full", "failed": "free", "unknown": "free", "estimated": "at_cost"}}],
     "volume_tiers": [{"channel": "*", "plan": "premium", "tiers": [{"above_tokens": 1000000000, "discount_bp": 500}]}]}

A file is the whole tariff: it replaces the one before from `effective_from` on, or from the import on
without one. A model is a name, the beginning of one with `*` behind it, or `*`. A rate of 0 needs
`"free": true` in its rule.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, get_args

from gateway_billing.book_file import BookFileInvalid, content_sha256, moment_of, read_content, text_of
from gateway_billing.price_file import MAX_RATE
from gateway_billing.pricing import TOKEN_KINDS
from gateway_billing.tariff_rule import (
    ANY,
    POLICIES,
    Ask,
    FixedPrice,
    Markup,
    Policies,
    Policy,
    Selector,
    TariffRule,
    ties,
)
from gateway_shared.price_provider import with_kind_in_lower_case

FORMAT = "agent-gateway-tariffs/1"
CHANNELS = ("langchain", "standard", ANY)
MAX_MARKUP_BP = 1_000_000
"""A hundred times our cost: anything above is a slip of the unit."""
_PLAN = re.compile(r"[A-Za-z0-9._-]{1,64}|\*")

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Tier:
    """The discount, in basis points, on the part of a month's tokens above a number."""

    above_tokens: int
    discount_bp: int


@dataclass(frozen=True, slots=True)
class VolumeTiers:
    selector: Selector
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class TariffFile:
    """One file. `content_sha256` is over the parsed content, so that white space does not make a version."""

    source: str
    source_version: str
    effective_from: datetime | None
    rules: tuple[TariffRule, ...]
    volume_tiers: tuple[VolumeTiers, ...]
    content_sha256: str


def parse_tariff_file(data: bytes) -> TariffFile:
    """Raises BookFileInvalid with all problems at once."""
    content: Any = read_content(
        data, form=FORMAT, members={"source": str, "source_version": str, "rules": list, "volume_tiers": list}
    )
    problems: list[str] = []
    rules = _each(content["rules"], "rules", _rule, problems)
    volume_tiers = _each(content["volume_tiers"], "volume_tiers", _volume_tiers, problems)
    try:
        effective_from = moment_of(content, "effective_from")
    except ValueError as error:
        problems.append(str(error))
    if not content["rules"]:
        problems.append('"rules" is empty')
    if not problems:
        problems += [f"rules {tie}" for tie in ties([rule.selector for rule in rules])]
        problems += [f"volume_tiers {tie}" for tie in ties([one.selector for one in volume_tiers])]
    if problems:
        raise BookFileInvalid(problems)
    return TariffFile(
        source=content["source"],
        source_version=content["source_version"],
        effective_from=effective_from,
        rules=rules,
        volume_tiers=volume_tiers,
        content_sha256=content_sha256(content),
    )


def _each(
    entries: list[object], name: str, read: Callable[[int, Mapping[str, Any]], _Read], problems: list[str]
) -> tuple[_Read, ...]:
    found: list[_Read] = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(read(number, _object(entry)))
        except ValueError as error:
            problems.append(f"{name} {number}: {error}")
    return tuple(found)


def _rule(number: int, entry: Mapping[str, Any]) -> TariffRule:
    _only(entry, "channel", "plan", "provider", "model", "note", "free", "rates", "policies")
    return TariffRule(
        number=number,
        selector=_selector(
            entry, provider=with_kind_in_lower_case(_name(entry, "provider")), model=_name(entry, "model").casefold()
        ),
        rates=_rates(_object(entry.get("rates")), is_free=entry.get("free") is True),
        policies=_policies(_object(entry.get("policies"))),
        note=text_of(entry, "note") if entry.get("note") is not None else None,
    )


def _volume_tiers(_: int, entry: Mapping[str, Any]) -> VolumeTiers:
    _only(entry, "channel", "plan", "tiers")
    if not isinstance(entry.get("tiers"), list) or not entry["tiers"]:
        raise ValueError('"tiers" is empty')
    tiers = tuple(_tier(_object(tier)) for tier in entry["tiers"])
    if [tier.above_tokens for tier in tiers] != sorted({tier.above_tokens for tier in tiers}):
        raise ValueError("the tiers do not rise")
    return VolumeTiers(_selector(entry), tiers)


def _selector(entry: Mapping[str, Any], *, provider: str = ANY, model: str = ANY) -> Selector:
    channel, plan = text_of(entry, "channel"), text_of(entry, "plan")
    if channel not in CHANNELS:
        raise ValueError(f'"channel" {channel!r} is not one of {", ".join(CHANNELS)}')
    if _PLAN.fullmatch(plan) is None:
        raise ValueError(f'"plan" {plan!r} is neither the name of a plan nor *')
    if ANY in provider.removesuffix(ANY) or (provider != ANY and provider.endswith(ANY)):
        raise ValueError(f'"provider" {provider!r} is neither a name nor *')
    if ANY in model.removesuffix(ANY):
        raise ValueError(f'"model" {model!r}: a * stands at the end only')
    return Selector(channel, plan, provider, model)


def _name(entry: Mapping[str, Any], name: str) -> str:
    return text_of(entry, name) if name in entry else ANY


def _rates(entry: Mapping[str, Any], *, is_free: bool) -> dict[str, Ask]:
    if not entry:
        raise ValueError('"rates" is empty')
    unknown = [kind for kind in entry if kind not in (ANY, *TOKEN_KINDS)]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not one of {', '.join((ANY, *TOKEN_KINDS))}")
    return {kind: _ask(kind, _object(ask), is_free=is_free) for kind, ask in entry.items()}


def _ask(kind: str, entry: Mapping[str, Any], *, is_free: bool) -> Ask:
    if len(entry) != 1:
        raise ValueError(f'{kind}: either "markup_bp" or "nano_usd_per_million_tokens"')
    ((name, number),) = entry.items()
    if name == "markup_bp":
        ask: Ask = Markup(_whole(kind, number, MAX_MARKUP_BP))
    elif name == "nano_usd_per_million_tokens":
        ask = FixedPrice(_whole(kind, number, MAX_RATE))
    else:
        raise ValueError(f'{kind}: {name!r} is neither "markup_bp" nor "nano_usd_per_million_tokens"')
    if number == 0 and not is_free:
        raise ValueError(f'{kind}: a rate of 0 needs "free": true')
    return ask


def _policies(entry: Mapping[str, Any]) -> Policies:
    names = tuple(Policies.__dataclass_fields__)
    _only(entry, *names)
    for name in names:
        if entry.get(name) not in get_args(Policy):
            raise ValueError(f'"policies": {name} {entry.get(name)!r} is not one of {", ".join(POLICIES)}')
    return Policies(**entry)


def _tier(entry: Mapping[str, Any]) -> Tier:
    _only(entry, "above_tokens", "discount_bp")
    return Tier(
        _whole("above_tokens", entry.get("above_tokens"), 2**63 - 1),
        _whole("discount_bp", entry.get("discount_bp"), 10_000),
    )


def _whole(name: str, number: object, most: int) -> int:
    if type(number) is not int or not 0 <= number <= most:
        raise ValueError(f"{name}: {number!r} is not a whole number from 0 to {most}")
    return number


def _object(entry: object) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError(f"{entry!r} is not an object")  # noqa: TRY004 - the file is wrong, not the program
    return entry


def _only(entry: Mapping[str, Any], *names: str) -> None:
    """A member that nobody reads is a slip of the pen in a file that money hangs on."""
    unknown = [name for name in entry if name not in names]
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}")
