"""The figures as Markdown tables: medians of the rounds, and ratios with their spread. Pure."""

from collections.abc import Callable, Mapping, Sequence

from bench.figures import Spread, paired_difference, paired_ratio, spread
from bench.load import Percentiles
from bench.measure import Measurement
from bench.shapes import Shape

Rounds = Mapping[str, Sequence[Measurement]]

_PERCENTILES: tuple[Callable[[Percentiles], float], ...] = (lambda p: p.p50, lambda p: p.p95, lambda p: p.p99)


def shape_table(shape: Shape, rounds: Rounds, failures: Mapping[str, str], *, subject: str, baseline: str) -> str:
    """Every target under one shape. `subject` is whose ratio to each other is told, `baseline` the provider alone."""
    unit = "µs CPU a chunk" if shape.is_stream else "ms CPU a request"
    columns = ["target", unit, f"{subject} ÷ it", "per s", "latency added p50 / p95 / p99 ms"]
    if shape.is_stream:
        columns += ["first token p50 / p99 ms", "chunk delay p50 / p99 ms"]
    if shape.requests_each:
        columns.append("KB a stream")
    if shape.refused_pause_ms:
        columns += ["served a second", "refused a second", "refusal p50 / p95 / p99 ms", "MB before"]
    columns.append("MB")
    rows = [_row(shape, name, rounds, subject=subject, baseline=baseline) for name in rounds]
    rows += [[name, why, *[""] * (len(columns) - 2)] for name, why in failures.items()]
    return f"### {shape.title}\n\n{table(columns, rows)}\n"


def summary_table(shapes: Sequence[Shape], all_rounds: Mapping[str, Rounds], *, subject: str, baseline: str) -> str:
    """The ratios of every shape at a glance."""
    others = dict.fromkeys(name for shape in shapes for name in all_rounds[shape.name])
    rows = []
    for name in others:
        if name not in (subject, baseline):
            pairs = [(shape, all_rounds[shape.name]) for shape in shapes]
            rows.append([name, *(_ratio(s, rounds.get(subject, ()), rounds.get(name, ())) for s, rounds in pairs)])
    columns = ["target", *(shape.name for shape in shapes)]
    return f"### CPU of {subject} ÷ CPU of the target\n\n{table(columns, rows)}\n"


def parts_table(shapes: Sequence[Shape], all_rounds: Mapping[str, Rounds], name: str) -> str:
    """Where the CPU of one target goes, by process; what is behind it is not in the ratios."""
    rows = []
    for shape in shapes:
        rounds = all_rounds[shape.name].get(name, ())
        if rounds:
            parts = {part: spread([_each(m.cpu_s[part], m, shape) for m in rounds]) for part in rounds[0].cpu_s}
            behind = spread([_each(m.behind_cpu_s, m, shape) for m in rounds])
            shown = " + ".join(f"{part} {_cpu(used, shape)}" for part, used in parts.items())
            rows.append([shape.title, shown, _cpu(behind, shape)])
    columns = ["shape", "of it", "behind it (billing, broker, database), once caught up"]
    return f"### {name}, by process (ms a request, µs a chunk)\n\n{table(columns, rows)}\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(shape: Shape, name: str, rounds: Rounds, *, subject: str, baseline: str) -> list[str]:
    mine = rounds[name]
    row = [name]
    if name == baseline:
        row += ["", ""]
    else:
        row.append(_cpu(spread([m.cpu_us_per(shape) for m in mine]), shape))
        row.append(_ratio(shape, rounds.get(subject, ()), mine) if name != subject else "")
    row.append(f"{spread([m.units(shape) / m.outcome.seconds for m in mine]).median:,.0f}")
    row.append(_latency(mine, None if name == baseline else rounds.get(baseline)))
    if shape.is_stream:
        row.append(_two([m.outcome.first_token for m in mine]))
        row.append(_two([m.outcome.chunk_delay for m in mine]))
    if shape.requests_each:
        row.append(_per_stream(shape, mine) if name != baseline else "")
    if shape.refused_pause_ms:
        row += _refusals(mine)
    row.append(f"{max(m.memory_highest for m in mine) / 1e6:,.0f}" if name != baseline else "")
    return row


def _each(used_s: float, measurement: Measurement, shape: Shape) -> float:
    return used_s * 1e6 / measurement.units(shape)


def _cpu(micros: Spread, shape: Shape) -> str:
    if shape.is_stream:
        return f"{micros.median:,.0f} ({micros.least:,.0f}..{micros.greatest:,.0f})"
    return f"{micros.median / 1e3:.3f} ({micros.least / 1e3:.3f}..{micros.greatest / 1e3:.3f})"


def _ratio(shape: Shape, ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> str:
    if not ours or len(ours) != len(theirs):
        return ""
    ratio = paired_ratio([m.cpu_us_per(shape) for m in ours], [m.cpu_us_per(shape) for m in theirs])
    return f"**{ratio.median:.3g}** ({ratio.least:.3g}..{ratio.greatest:.3g})"


def _latency(mine: Sequence[Measurement], baseline: Sequence[Measurement] | None) -> str:
    def at(take: Callable[[Percentiles], float]) -> str:
        ours = [take(m.outcome.latency) for m in mine]
        if baseline is None:
            return f"{spread(ours).median:.2f}"
        if len(baseline) != len(mine):
            return "?"
        return f"{paired_difference(ours, [take(m.outcome.latency) for m in baseline]).median:.2f}"

    shown = " / ".join(map(at, _PERCENTILES))
    return f"({shown} in all)" if baseline is None else shown


def _two(percentiles: Sequence[Percentiles | None]) -> str:
    known = [p for p in percentiles if p is not None]
    return f"{spread([p.p50 for p in known]).median:.2f} / {spread([p.p99 for p in known]).median:.2f}" if known else ""


def _refusals(mine: Sequence[Measurement]) -> list[str]:
    outcomes = [m.outcome for m in mine]
    times = [outcome.refusal for outcome in outcomes if outcome.refusal]
    shown = [f"{spread([take(one) for one in times]).median:.2f}" if times else "" for take in _PERCENTILES]
    return [
        f"{spread([outcome.finished / outcome.seconds for outcome in outcomes]).median:,.0f}",
        f"{spread([outcome.refused / outcome.seconds for outcome in outcomes]).median:,.0f}",
        " / ".join(shown) if times else "",
        f"{max(m.memory_before for m in mine) / 1e6:,.0f}",
    ]


def _per_stream(shape: Shape, mine: Sequence[Measurement]) -> str:
    """The round that grew most: what a process has once taken it keeps for the next."""
    return f"{max(m.memory_highest - m.memory_before for m in mine) / shape.connections / 1e3:.0f}"
