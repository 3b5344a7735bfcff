"""The tables that people read."""

from bench.report import parts_table, shape_table, summary_table, table
from bench.shapes import SHAPES, sized
from tests.unit.bench.measurements import measured

OURS, BASELINE = "ours", "direct"


def cells(text: str, target: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {target} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_ratio_is_paired_by_round_and_shows_its_spread() -> None:
    rounds = {
        OURS: [measured(cpu_s=0.2), measured(cpu_s=0.4)],
        "nginx": [measured(cpu_s=0.1), measured(cpu_s=0.1)],
    }
    text = shape_table(SHAPES["json-16"], rounds, {}, subject=OURS, baseline=BASELINE)
    assert cells(text, "nginx")[1:3] == ["0.100 (0.100..0.100)", "**3** (2..4)"]
    assert cells(text, OURS)[1:3] == ["0.300 (0.200..0.400)", ""]


def test_latency_is_what_was_added_to_the_providers_own() -> None:
    rounds = {BASELINE: [measured(cpu_s=0, p50_ms=1)], OURS: [measured(cpu_s=0.1, p50_ms=3)]}
    text = shape_table(SHAPES["json-16"], rounds, {}, subject=OURS, baseline=BASELINE)
    assert "2.00 / 4.00 / 6.00" in cells(text, OURS)
    assert "(1.00 / 2.00 / 3.00 in all)" in cells(text, BASELINE)


def test_streams_are_told_by_the_chunk() -> None:
    rounds = {OURS: [measured(cpu_s=0.5, finished=100, chunks=5000, p50_ms=0.5)]}
    row = cells(shape_table(SHAPES["sse"], rounds, {}, subject=OURS, baseline=BASELINE), OURS)
    assert row[1] == "100 (100..100)"
    assert row[5:7] == ["0.50 / 1.50", "0.50 / 1.50"]


def test_memory_of_open_streams_is_shared_out_among_them() -> None:
    shape = sized(SHAPES["open"], seconds=1, streams=100, idle_streams=0)
    rounds = {OURS: [measured(cpu_s=1, chunks=3000, memory=(50_000_000, 54_000_000))]}
    assert cells(shape_table(shape, rounds, {}, subject=OURS, baseline=BASELINE), OURS)[-2:] == ["40", "54"]


def test_a_target_that_failed_says_why_instead_of_a_figure() -> None:
    text = shape_table(SHAPES["json-16"], {}, {"Ferro": "failed: 3 answers"}, subject=OURS, baseline=BASELINE)
    assert cells(text, "Ferro")[1] == "failed: 3 answers"


def test_a_stacks_cpu_is_shown_by_process_with_what_is_behind_it() -> None:
    rounds = {OURS: [measured(cpu_s=0.4)]}
    row = cells(parts_table([SHAPES["json-16"]], {"json-16": rounds}, OURS), SHAPES["json-16"].title)
    assert row[1] == "edge 0.200 (0.200..0.200) + router 0.200 (0.200..0.200)"
    assert row[2] == "0.040 (0.040..0.040)"


def test_the_summary_has_a_ratio_for_each_other_target_and_shape() -> None:
    shapes = [SHAPES["json-16"], SHAPES["json-64"]]
    rounds = {
        "json-16": {BASELINE: [measured(cpu_s=0)], OURS: [measured(cpu_s=0.2)], "nginx": [measured(cpu_s=0.1)]},
        "json-64": {BASELINE: [measured(cpu_s=0)], OURS: [measured(cpu_s=0.2)]},
    }
    text = summary_table(shapes, rounds, subject=OURS, baseline=BASELINE)
    assert cells(text, "target") == ["target", "json-16", "json-64"]
    assert cells(text, "nginx") == ["nginx", "**2** (2..2)", ""]
    assert f"| {BASELINE} |" not in text


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
