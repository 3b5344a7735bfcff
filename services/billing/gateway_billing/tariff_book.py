"""Which rule counts for an event: by channel, plan, provider and model, and by the moment. Pure.

The version in force at the event's time counts: the one with the latest `effective_from` that is
not after it. When that has no rule for the event, or there was none yet, the earliest later version
that has one is used, and the charge says so.

A model has several names (see `price_book`). A rule that names one of them in full counts before
one with a beginning or `*`, the name as served before the one asked for before the undated one.

For a provider with prices of its own (`openai@acme`) the rules that name it count before all others;
those for its kind are for it too.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from gateway_billing.price_book import model_names
from gateway_billing.tariff_rule import Selector, TariffRule, innermost
from gateway_shared.price_provider import price_kind, with_kind_in_lower_case


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """One imported file, without its rules."""

    version_id: int
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class FoundRule:
    """The rule for an event; `words` name it and say what is not plain about it."""

    version: TariffVersion
    rule: TariffRule
    words: str


class TariffBook:
    """All versions, looked up by channel, plan, provider, model and time."""

    def __init__(self, versions: Iterable[tuple[TariffVersion, Sequence[TariffRule]]]) -> None:
        self._versions = sorted(versions, key=lambda item: (item[0].effective_from, item[0].version_id))
        self._starts = [version.effective_from for version, _ in self._versions]
        self._found = lru_cache(maxsize=4096)(self._search)

    @property
    def newest(self) -> int:
        """The highest version number, 0 when there is none."""
        return max((version.version_id for version, _ in self._versions), default=0)

    @property
    def version_count(self) -> int:
        return len(self._versions)

    def find(
        self, channel: str, plan_id: str, provider: str, model_served: str | None, model_upstream: str, *, at: datetime
    ) -> FoundRule | None:
        return self._found(channel, plan_id, provider, model_served, model_upstream, self.versions_begun(at))

    def versions_begun(self, at: datetime) -> int:
        """Of two moments with the same number the same rules count."""
        return bisect_right(self._starts, at)

    def _search(
        self, channel: str, plan_id: str, provider: str, model_served: str | None, model_upstream: str, begun: int
    ) -> FoundRule | None:
        names = model_names(provider, model_served, model_upstream)
        own = with_kind_in_lower_case(provider)
        kind = price_kind(own)
        calls = {of: [Selector(channel, plan_id, of, name) for name in names] for of in (own, kind)}
        for position in range(max(begun - 1, 0), len(self._versions)):
            version, rules = self._versions[position]
            rule = _rule_for(calls[kind], rules)
            if own != kind:
                rule = _rule_for(calls[own], [one for one in rules if one.selector.provider == own]) or rule
            if rule is not None:
                later = f"; by the tariff of {version.effective_from:%Y-%m-%d %H:%M} UTC, after the event"
                return FoundRule(version, rule, f"{rule}{later if position >= begun else ''}")
        return None


def _rule_for(calls: Sequence[Selector], rules: Sequence[TariffRule]) -> TariffRule | None:
    """`calls` is the event under each name of its model, best first."""
    by_selector = {rule.selector: rule for rule in rules}
    found = [innermost(list(by_selector), call) for call in calls]
    for selector, call in zip(found, calls, strict=True):
        if selector is not None and selector.model == call.model:
            return by_selector[selector]
    return next((by_selector[selector] for selector in found if selector is not None), None)
