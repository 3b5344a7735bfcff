"""Rounds over real targets."""

import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from bench import session
from bench.native import provider
from bench.rig import Absent, Rig, Target
from bench.session import run_rounds, started
from bench.shapes import SHAPES

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def test_every_round_measures_every_target_and_a_failing_one_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROGRAMS", tmp_path)
    shape = replace(SHAPES["json-1"], name="tiny")
    with provider(tmp_path) as port:
        targets = [Target("good", port, {}), Target("away", 1, {})]
        results = run_rounds(targets, [shape], rounds=2, seconds=0.1)
    assert [len(rounds) for rounds in results.rounds["tiny"].values()] == [2]
    assert "failed" in results.failures["tiny"]["away"]


def test_open_streams_are_not_asked_of_a_target_that_does_not_carry_them(tmp_path: Path) -> None:
    results = run_rounds([Target("slow", 1, {}, carries_open_streams=False)], [SHAPES["open"]], rounds=1, seconds=1)
    assert results.failures["open"]["slow"].startswith("not asked")


def test_a_peer_that_does_not_start_is_absent_with_its_reason(tmp_path: Path) -> None:
    def missing(rig: Rig) -> AbstractContextManager[Target]:
        raise Absent("it cannot be had")

    with started(Rig(1, tmp_path, tmp_path), {"missing": missing}) as (targets, absent):
        assert (targets, absent) == ([], {"missing": "it cannot be had"})
