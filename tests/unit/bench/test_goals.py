"""What was promised, beside what was measured."""

from bench.goals import FIRST_LIGHT, goals_table
from bench.shapes import SHAPES
from tests.unit.bench.measurements import measured

OURS = "ours"


def row_of(text: str, target: str, figure: str) -> list[str]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return next(cells for cells in lines if cells[1:3] == [figure, target])


def test_a_ratio_stands_beside_its_goal() -> None:
    rounds = {
        OURS: [measured(cpu_s=0.2)],
        "TensorZero": [measured(cpu_s=0.4)],
        "Ferro": [measured(cpu_s=0.1)],
        FIRST_LIGHT: [measured(cpu_s=0.6)],
    }
    text = goals_table([SHAPES["json-16"]], {"json-16": rounds}, subject=OURS)
    assert row_of(text, "TensorZero", "CPU a request")[3:] == ["**0.5** (0.5..0.5)", "0.7", "yes"]
    assert row_of(text, "Ferro", "CPU a request")[3:] == ["**2** (2..2)", "0.7", "no: 2.9 times it"]
    assert row_of(text, FIRST_LIGHT, "CPU a request")[4:] == ["0.556", "yes"]


def test_the_delay_of_chunks_has_a_goal_of_its_own() -> None:
    nginx = "nginx, two hops with mTLS"
    rounds = {OURS: [measured(cpu_s=1, chunks=10, p50_ms=3)], nginx: [measured(cpu_s=1, chunks=10, p50_ms=1)]}
    text = goals_table([SHAPES["sse"]], {"sse": rounds}, subject=OURS)
    assert row_of(text, nginx, "chunk delay, p50")[3:] == ["**3** (3..3)", "2", "no: 1.5 times it"]


def test_nothing_is_told_where_nobody_with_a_goal_was_measured() -> None:
    assert goals_table([SHAPES["json-16"]], {"json-16": {OURS: [measured(cpu_s=1)]}}, subject=OURS) == ""
