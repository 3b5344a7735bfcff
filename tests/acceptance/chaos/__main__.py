"""`python -m tests.acceptance.chaos [--seconds N] [--seed N]`: exit code 0 when the ledger is exact, else 1."""

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections import Counter
from pathlib import Path

from gateway_local.first_steps import PRICE_OVERRIDES

from gateway_router.price_export import export_prices
from tests.acceptance.chaos.run import PATIENCE, Chaos, chaos
from tests.acceptance.owned_stack import owned_stack
from tests.acceptance.price_list import PriceList


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="chaos", description="Faults by chance under load; then the ledger is judged."
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:.0f} s", flush=True)
    with owned_stack(router=PATIENCE) as stack:
        told = asyncio.run(chaos(stack, _price_list(), for_s=options.seconds, seed=options.seed))
    print(report(told))
    return 0 if told.audit.is_exact else 1


def report(told: Chaos) -> str:
    """Counts of faults and answers, the verdict last."""
    asked, found = len(told.outcomes), told.audit
    streams = sum(outcome.ask.stream for outcome in told.outcomes)
    left = sum(outcome.left for outcome in told.outcomes)
    cut = sum(outcome.status == 200 and not outcome.complete and not outcome.left for outcome in told.outcomes)
    models = Counter(outcome.ask.model for outcome in told.outcomes)
    refused = Counter(str(outcome.status or "no answer") for outcome in told.outcomes if outcome.status != 200)
    wrong = [*found.duplicates, *found.missing, *found.wrong_cost, *found.wrong_final]
    lines = [
        f"seed {told.seed}, {told.lasted_s:.0f} s, {asked / told.lasted_s:.1f} requests/s",
        f"faults {told.struck.total()} of {len(told.struck)} kinds: {_listed(told.struck)}",
        f"started again: {_listed(told.starts)}",
        f"asked {asked}, of these {streams} for a stream: {_listed(models)}",
        f"answered in full {found.answered}, cut {cut}, left by the client {left}, refused: {_listed(refused)}",
        f"provider calls {found.provider_calls}, ledger {found.rows}, of these {found.unsent} never sent, at no cost; "
        f"{found.unbilled} in all of no known usage, at no cost",
        f"answered {found.answered}, ledger {found.settled}, duplicates {len(found.duplicates)}, "
        f"missing {len(found.missing)}, wrong cost {len(found.wrong_cost)}, producers with gaps {len(found.gaps)}, "
        f"missing by billing.completeness {found.missing_by_view}; {told.sent_again} lost behind the broker's "
        "confirm and sent again by the routers",
        "EXACT" if found.is_exact else f"NOT EXACT: {wrong[:20]} {found.gaps} {found.incomplete}",
    ]
    return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _price_list() -> PriceList:
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "prices.json"
        export_prices(exported)
        return PriceList(exported, PRICE_OVERRIDES)


if __name__ == "__main__":
    sys.exit(main())
