"""How fast a thousand streams may be on this machine: the highest rate with which provider and gateway keep up."""

from collections.abc import Sequence
from pathlib import Path

from gateway_local.progress import tell

from bench.load import LoadFailed, Outcome, run_load
from bench.rig import Target
from bench.shapes import STREAM_RATE_PER_S, Shape, at_rate

RATES_PER_S = (STREAM_RATE_PER_S, 20, 15, 10, 7, 5, 3, 2, 1)
OVERTIME = 1.1
"""Of the time that the streams take by themselves."""


def fitted(shape: Shape, targets: Sequence[Target], *, seconds: float, folder: Path) -> Shape:
    """`shape` at the first of RATES_PER_S with which all `targets` keep up; at the last one where none does."""
    for rate in RATES_PER_S:
        candidate = at_rate(shape, rate, seconds=seconds)
        tell(f"trying {candidate.title}")
        if all(_try(target, candidate, seconds=seconds, folder=folder) for target in targets):
            return candidate
    return candidate


def keeps_up(shape: Shape, outcome: Outcome) -> bool:
    """The streams end in time, and 99 of 100 chunks are read before the next one of their stream is sent."""
    due_s = shape.ramp_ms / 1e3 + shape.chunks * shape.gap_us / 1e6
    delay = outcome.chunk_delay
    return outcome.seconds <= due_s * OVERTIME and delay is not None and delay.p99 <= shape.gap_us / 1e3


def _try(target: Target, shape: Shape, *, seconds: float, folder: Path) -> bool:
    try:
        return keeps_up(shape, run_load(target, shape, seconds=seconds, folder=folder))
    except LoadFailed:
        return False
