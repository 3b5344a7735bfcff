"""When a target keeps up with a thousand streams, and which rate that gives."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.fitting import RATES_PER_S, fitted, keeps_up
from bench.load import Outcome, Percentiles
from bench.native import provider
from bench.rig import Target
from bench.shapes import SHAPES, at_rate

SHAPE = at_rate(SHAPES["stream-1000"], 10, seconds=3)
"""Streams of 7 s that begin over 4 s, with a chunk every 100 ms."""


def outcome(*, seconds: float, delay_p99_ms: float) -> Outcome:
    latency = Percentiles(1, 1, 1, 1)
    return Outcome(1000, 30_000, seconds, latency, latency, Percentiles(1, 1, delay_p99_ms, 1))


@pytest.mark.parametrize(
    ("seconds", "delay_p99_ms", "expected"), [(11.1, 20, True), (11.1, 120, False), (12.2, 20, False)]
)
def test_who_keeps_up_ends_in_time_and_is_read_before_the_next_chunk(
    seconds: float, delay_p99_ms: float, expected: bool
) -> None:
    assert keeps_up(SHAPE, outcome(seconds=seconds, delay_p99_ms=delay_p99_ms)) is expected


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_first_rate_that_is_kept_up_with_is_taken(tmp_path: Path) -> None:
    few = replace(SHAPES["stream-1000"], connections=5, ramp_ms=0)
    with provider(tmp_path) as port:
        shape = fitted(few, [Target("provider", port, {})], seconds=0.5, folder=tmp_path)
    assert shape.gap_us == round(1e6 / RATES_PER_S[0])
    assert shape.title == "5 streams open at once, 30 chunks/s each"


def test_who_answers_nothing_keeps_up_with_no_rate(tmp_path: Path) -> None:
    few = replace(SHAPES["stream-1000"], connections=1, ramp_ms=0)
    shape = fitted(few, [Target("away", 1, {})], seconds=0.1, folder=tmp_path)
    assert shape.gap_us == round(1e6 / RATES_PER_S[-1])
