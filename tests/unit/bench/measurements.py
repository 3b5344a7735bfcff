"""Measurements made by hand."""

from bench.load import Outcome, Percentiles
from bench.measure import Measurement


def measured(
    *, cpu_s: float, finished: int = 1000, chunks: int = 0, p50_ms: float = 1.0, memory: tuple[int, int] = (0, 0)
) -> Measurement:
    """One round of one second, its latencies p50 and twice and three times that; its CPU shared by edge and router."""
    latency = Percentiles(p50_ms, p50_ms * 2, p50_ms * 3, p50_ms * 4)
    stream = latency if chunks else None
    outcome = Outcome(finished, chunks, 1.0, latency, stream, stream)
    return Measurement(outcome, {"edge": cpu_s / 2, "router": cpu_s / 2}, cpu_s / 10, *memory)
