"""Slow readers beside others, against the provider itself."""

import shutil
import socket
from pathlib import Path

import pytest

from bench.load import LoadFailed
from bench.native import provider
from bench.rig import Target
from bench.slow_reader import COUNTS, Comparison, compare, slow_reader_table, slow_readers
from tests.unit.bench.measurements import measured

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def test_every_count_of_slow_readers_is_measured_in_each_round(tmp_path: Path) -> None:
    with provider(tmp_path) as port:
        targets = [Target("provider", port, {}), Target("queues", 1, {}, carries_open_streams=False)]
        comparison = compare(targets, rounds=1, seconds=0.3, folder=tmp_path)
    assert comparison.failures == {}
    assert {count: len(rounds) for count, rounds in comparison.rounds["provider"].items()} == dict.fromkeys(COUNTS, 1)


def test_a_slow_reader_that_is_cut_off_makes_the_figure_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target("cuts", server.getsockname()[1], {})
        with pytest.raises(LoadFailed, match="1 of 1"), slow_readers(target, 1):
            server.accept()[0].close()


def test_the_ratio_is_paired_by_round_and_memory_is_what_came_on_top() -> None:
    without = [measured(cpu_s=1, chunks=10, p50_ms=1, memory=(0, 5_000_000))] * 2
    beside = [measured(cpu_s=1, chunks=10, p50_ms=2, memory=(0, 6_000_000))] * 2
    text = slow_reader_table(Comparison({"ours": {0: without, 1: beside}}))
    assert "| ours | 1 | 6.00 | **2** (2..2) | 1.0 |" in text
