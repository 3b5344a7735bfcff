"""What the project says of itself in one table: each ratio that is promised, beside its goal. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import Spread, paired_ratio
from bench.measure import Measurement
from bench.report import Rounds, table
from bench.shapes import Shape

Figure = Callable[[Measurement, Shape], float]


def cpu(measurement: Measurement, shape: Shape) -> float:
    return measurement.cpu_us_per(shape)


def delay(measurement: Measurement, shape: Shape) -> float:
    """The median chunk delay, in ms."""
    return measurement.outcome.chunk_delay.p50 if measurement.outcome.chunk_delay else 0.0


@dataclass(frozen=True, slots=True)
class Goal:
    """Ours by theirs is to be at most `at_most`."""

    shape: str
    target: str
    title: str
    figure: Figure
    at_most: float


FIRST_LIGHT = "d315015"
_NGINX = "nginx, two hops with mTLS"

GOALS = (
    Goal("json-16", "TensorZero", "CPU a request", cpu, 0.7),
    Goal("json-16", "Ferro", "CPU a request", cpu, 0.7),
    Goal("json-16", "Portkey", "CPU a request", cpu, 0.12),
    Goal("json-16", "LiteLLM", "CPU a request", cpu, 0.016),
    Goal("json-16", _NGINX, "CPU a request", cpu, 2.5),
    Goal("json-16", FIRST_LIGHT, "CPU a request", cpu, 1 / 1.8),
    Goal("sse", _NGINX, "CPU a chunk", cpu, 1.3),
    Goal("sse", _NGINX, "chunk delay, p50", delay, 2),
    Goal("burst", _NGINX, "CPU a chunk", cpu, 1.3),
    Goal("burst", _NGINX, "chunk delay, p50", delay, 2),
)


def goals_table(shapes: Sequence[Shape], all_rounds: Mapping[str, Rounds], *, subject: str) -> str:
    """Empty where nothing that was measured has a goal."""
    by_name = {shape.name: shape for shape in shapes}
    rows = []
    for goal in GOALS:
        rounds = all_rounds.get(goal.shape, {})
        ours, theirs = rounds.get(subject, ()), rounds.get(goal.target, ())
        if goal.shape in by_name and ours and len(ours) == len(theirs):
            shape = by_name[goal.shape]
            ratio = paired_ratio([goal.figure(m, shape) for m in ours], [goal.figure(m, shape) for m in theirs])
            rows.append([shape.title, goal.title, goal.target, _shown(ratio), f"{goal.at_most:.3g}", _met(ratio, goal)])
    if not rows:
        return ""
    columns = ["shape", "figure", "target", f"{subject} ÷ it", "goal", "met"]
    return f"### Goals\n\n{table(columns, rows)}\n"


def _shown(ratio: Spread) -> str:
    return f"**{ratio.median:.3g}** ({ratio.least:.3g}..{ratio.greatest:.3g})"


def _met(ratio: Spread, goal: Goal) -> str:
    return "yes" if ratio.median <= goal.at_most else f"no: {ratio.median / goal.at_most:.2g} times it"
