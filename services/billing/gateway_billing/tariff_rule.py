"""A rule of a tariff: for which calls it is, and what it asks for them. Pure.

Of the rules that match a call, the one inside all the others counts. Rules have to be closed under
intersection for that: where two overlap and neither is inside the other, a third one must be for
exactly what they have in common, or an operator's file is refused (`ties`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, Self, get_args

from gateway_billing.pricing import TokenKind

ANY = "*"

Policy = Literal["free", "at_cost", "full"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
"""Best for the tenant first."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which calls. `*` is any; `model` may also be the beginning of a name with a `*` behind it.

    Names of models and kinds are in lower case, since they are compared without regard to it; a provider's own behind
    its kind's (`vllm@Acme/mine`) is as it is written.
    """

    channel: str
    plan_id: str
    provider: str = ANY
    model: str = ANY

    def __str__(self) -> str:
        return f"{self.channel}/{self.plan_id}/{self.provider}/{self.model}"

    def common(self, other: "Selector") -> Self | None:
        """What both select; None when that is nothing."""
        channel = _common(self.channel, other.channel)
        plan_id = _common(self.plan_id, other.plan_id)
        provider = _common(self.provider, other.provider)
        model = _common(self.model, other.model)
        if channel is None or plan_id is None or provider is None or model is None:
            return None
        return type(self)(channel, plan_id, provider, model)

    def includes(self, other: "Selector") -> bool:
        return self.common(other) == other


@dataclass(frozen=True, slots=True)
class Markup:
    """`basis_points` of our cost rate: 12000 is 1.2 times what the provider asks."""

    basis_points: int


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """Nano-USD per million tokens, whatever the tokens cost us."""

    nano_usd_per_million_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What is charged where a call did not end as it should, or where its tokens are the gateway's guess."""

    partial: Policy
    failed: Policy
    unknown: Policy
    estimated: Policy


Ask = Markup | FixedPrice


@dataclass(frozen=True, slots=True)
class TariffRule:
    """`number` is its place in the file, from 1; `rates` are by kind of token, `*` for those not named."""

    number: int
    selector: Selector
    rates: Mapping[str, Ask]
    policies: Policies
    note: str | None = None
    is_markup: bool = field(init=False)
    """Whether our cost decides any of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_markup", any(isinstance(ask, Markup) for ask in self.rates.values()))

    def __str__(self) -> str:
        return f"rule {self.number} ({self.selector})"

    def asks_for(self, kind: TokenKind) -> Ask | None:
        """Reasoning falls back to output, as it does in a price; then to `*`."""
        found = self.rates.get(kind)
        if found is None and kind == "reasoning":
            found = self.rates.get("output")
        return found if found is not None else self.rates.get(ANY)


def innermost(selectors: Sequence[Selector], call: Selector) -> Selector | None:
    """The selector that matches the call and is inside all others that do; None when none matches."""
    matching = [selector for selector in selectors if selector.includes(call)]
    return next((one for one in matching if all(other.includes(one) for other in matching)), None)


def ties(selectors: Sequence[Selector]) -> Iterator[str]:
    """In words, each pair between which nothing decides."""
    known = set(selectors)
    for (first, one), (second, other) in combinations(enumerate(selectors, 1), 2):
        common = one.common(other)
        if one == other:
            yield f"{first} and {second} are both for {one}"
        elif common is not None and common not in known:
            yield f"{first} ({one}) and {second} ({other}) both match {common}: add one for exactly that"


def _common(one: str, other: str) -> str | None:
    """Of two texts, each exact or a beginning with `*`: the one inside the other, else None."""
    if one == other or _is_inside(other, one):
        return other
    return one if _is_inside(one, other) else None


def _is_inside(text: str, pattern: str) -> bool:
    return pattern.endswith(ANY) and text.startswith(pattern.removesuffix(ANY))
