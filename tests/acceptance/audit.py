"""Whether a ledger is exact: judged by what clients saw and what the simulator received, priced anew.

The gateway's own counters have no say. One call that reached the provider is one row; a row beyond those must say that
it cost nothing; an answer that a client got in full is settled with the provider's own tokens, to the nano-dollar. No
producer may miss an event, by its numbers and by the view that the billing team asks.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.price_list import TOKEN_COLUMNS, PriceList
from tests.acceptance.stack import get_json
from tests.acceptance.traffic import Outcome

ROWS_WITHIN_S = 60.0
POLL_S = 0.25
_SETTLED_BY_PROVIDER = ("provider", "drained")
_NOTHING_USED = ("unknown", "none")

_ROWS = f"""
    SELECT agent_run_id, event_id, is_final, status, finish_state, usage_source, price_provider, model_served,
           model_upstream, cost_nano_usd, {", ".join(TOKEN_COLUMNS)}
    FROM billing.attempts WHERE agent_run_id = ANY($1)
"""
_GAPS = """
    SELECT producer, max(sequence) - count(DISTINCT sequence) AS missing, count(*) - count(DISTINCT sequence) AS doubled
    FROM billing.attempts GROUP BY producer HAVING max(sequence) <> count(*)
"""
_INCOMPLETE = "SELECT producer, missing, missing_ranges FROM billing.completeness WHERE missing <> 0"


@dataclass
class Audit:
    """Counts, and the markers of the requests with which something is wrong."""

    asked: int = 0
    answered: int = 0
    provider_calls: int = 0
    rows: int = 0
    settled: int = 0
    """Rows of answers that a client got in full."""
    unsent: int = 0
    """Rows of calls that never reached the provider, at no cost."""
    unbilled: int = 0
    """Rows that know of no usage, at no cost: those of `unsent`, and of calls that ended before anything was known."""
    duplicates: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wrong_cost: list[str] = field(default_factory=list)
    wrong_final: list[str] = field(default_factory=list)
    """Of whose attempts none is the final one, or several that reached the provider."""
    gaps: list[Row] = field(default_factory=list)
    """Producers whose numbers have a gap or a double in the ledger."""
    incomplete: list[Row] = field(default_factory=list)
    """Producers of whom events are missing by the view that the billing team asks, up to their own last mark."""

    @property
    def is_exact(self) -> bool:
        by_request = self.duplicates or self.missing or self.wrong_cost or self.wrong_final
        return not (by_request or self.gaps or self.incomplete)

    @property
    def missing_by_view(self) -> int:
        return sum(row["missing"] for row in self.incomplete)

    def __str__(self) -> str:
        return (
            f"asked {self.asked}, answered {self.answered}, provider calls {self.provider_calls}, "
            f"ledger {self.rows}, of these {self.unbilled} of no known usage at cost 0, "
            f"duplicates {len(self.duplicates)}, missing {len(self.missing)}, wrong cost {len(self.wrong_cost)}, "
            f"wrong final {len(self.wrong_final)}, producers with gaps {len(self.gaps)}, "
            f"missing by billing.completeness {self.missing_by_view}"
        )


async def audit(
    ledger: Ledger,
    simulator_url: str,
    outcomes: Sequence[Outcome],
    prices: PriceList,
    *,
    within_s: float = ROWS_WITHIN_S,
) -> Audit:
    """Once the ledger has a row for every call and no gap, or after `within_s`; prints what it found."""
    markers = {outcome.marker for outcome in outcomes}
    calls = await _calls_of(simulator_url, markers)
    rows = await _rows_of(ledger, markers, calls, within_s)
    found = Audit(asked=len(outcomes), provider_calls=sum(map(len, calls.values())), rows=sum(map(len, rows.values())))
    for outcome in outcomes:
        found.answered += outcome.complete
        judge(found, outcome, calls.get(outcome.marker, []), rows.get(outcome.marker, []), prices)
    found.gaps = await _none_of(ledger, _GAPS, within_s)
    found.incomplete = await _none_of(ledger, _INCOMPLETE, within_s)
    print(found)
    return found


def judge(found: Audit, outcome: Outcome, calls: Sequence[Row], rows: Sequence[Row], prices: PriceList) -> None:
    """Adds to `found` what is wrong with one request's rows."""
    free = [row for row in rows if row["cost_nano_usd"] == 0 and row["usage_source"] in _NOTHING_USED]
    found.unbilled += len(free)
    surplus = len(rows) - len(calls)
    found.missing += [outcome.marker] * max(0, -surplus)
    found.duplicates += [outcome.marker] * max(0, surplus - len(free))
    found.unsent += min(max(0, surplus), len(free))
    told = [call["usage"] for call in calls]
    is_right = all(_is_priced_right(row, prices) and _is_as_told(row, told) for row in rows)
    if outcome.complete:
        settled = [row for row in rows if row["status"] == "settled"]
        found.settled += len(settled)
        is_right = is_right and len(settled) == 1 and _names_its_source(settled[0], outcome)
    if rows and not is_right:
        found.wrong_cost.append(outcome.marker)
    finals = [row for row in rows if row["is_final"]]
    if rows and not 1 <= len(finals) <= 1 + sum(row in free for row in finals):
        found.wrong_final.append(outcome.marker)


def _names_its_source(row: Row, outcome: Outcome) -> bool:
    """The provider's own usage, unless the test told it to leave that out."""
    has_usage = row["usage_source"] in _SETTLED_BY_PROVIDER
    return has_usage != ("no_usage" in outcome.ask.directive.split())


def _is_priced_right(row: Row, prices: PriceList) -> bool:
    if row["usage_source"] in _NOTHING_USED and not any(row[name] for name in TOKEN_COLUMNS):
        return bool(row["cost_nano_usd"] == 0)
    model = row["model_served"] or row["model_upstream"]
    return bool(row["cost_nano_usd"] == prices.cost_nano_usd(row["price_provider"], model, row))


def _is_as_told(row: Row, told: Iterable[Mapping[str, int] | None]) -> bool:
    """The provider's own tokens, where the row says that they are."""
    tokens = {name: row[name] for name in TOKEN_COLUMNS}
    return row["usage_source"] not in _SETTLED_BY_PROVIDER or any(tokens == usage for usage in told)


async def _none_of(ledger: Ledger, sql: str, within_s: float) -> list[Row]:
    """What is left in the end, of all producers: another test's may have to publish what is behind these calls."""
    deadline_s = time.monotonic() + within_s
    while (found := await ledger.query(sql)) and time.monotonic() < deadline_s:  # noqa: ASYNC110 - as below
        await asyncio.sleep(POLL_S)
    return found


async def _calls_of(simulator_url: str, markers: set[str]) -> dict[str, list[Row]]:
    calls: dict[str, list[Row]] = defaultdict(list)
    for entry in await asyncio.to_thread(get_json, f"{simulator_url}/simulator/requests"):
        if entry["marker"] in markers:
            calls[entry["marker"]].append(entry)
    return calls


async def _rows_of(
    ledger: Ledger, markers: set[str], calls: Mapping[str, Sequence[Row]], within_s: float
) -> dict[str, list[Row]]:
    deadline_s = time.monotonic() + within_s
    while True:
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in await ledger.query(_ROWS, sorted(markers)):
            rows[row["agent_run_id"]].append(row)
        is_whole = all(len(rows[marker]) >= len(of_one) for marker, of_one in calls.items())
        if is_whole or time.monotonic() > deadline_s:
            return rows
        await asyncio.sleep(POLL_S)
