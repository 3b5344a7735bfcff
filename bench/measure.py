"""One measurement: a target under one shape of load, with the CPU and memory of its processes around it."""

import time
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from bench.load import LoadFailed, Outcome, run_load
from bench.processes import cpu_s, is_running, memory_bytes, tree
from bench.rig import Target
from bench.shapes import Shape

WARM_UP_S = 0.3
QUIET_SHARE = 0.1
"""Of a core, under which what works behind a target has caught up."""
QUIET_WINDOW_S = 0.3
LONGEST_CATCH_UP_S = 15.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """`cpu_s` by part; `behind_cpu_s` is of what works off the path, until it has caught up. Memory in bytes."""

    outcome: Outcome
    cpu_s: dict[str, float]
    behind_cpu_s: float
    memory_before: int
    memory_highest: int

    def cpu_us_per(self, shape: Shape) -> float:
        """Microseconds of CPU for each chunk of a stream, or for each request, the refused ones included."""
        return sum(self.cpu_s.values()) * 1e6 / self.units(shape)

    def units(self, shape: Shape) -> int:
        return self.outcome.chunks if shape.is_stream else self.outcome.finished + self.outcome.refused


def measure(target: Target, shape: Shape, *, seconds: float, folder: Path) -> Measurement:
    """Raises LoadFailed."""
    if not shape.requests_each:
        run_load(target, shape, seconds=WARM_UP_S, folder=folder)
    parts = {name: tree([pid]) for name, pid in target.parts.items()}
    behind = tree(target.behind.values())
    everyone = set().union(*parts.values())
    memory = [memory_bytes(everyone)]
    before = {name: cpu_s(pids) for name, pids in parts.items()}
    behind_before_s = cpu_s(behind)
    looks_at_memory = shape.requests_each or shape.refused_pause_ms
    outcome = run_load(
        target,
        shape,
        seconds=seconds,
        folder=folder,
        meanwhile=(lambda: memory.append(memory_bytes(everyone))) if looks_at_memory else None,
    )
    ended = [name for name, pid in target.parts.items() if not is_running(pid)]
    if ended:
        raise LoadFailed(f"failed: {', '.join(ended)} ended under load")
    used = {name: cpu_s(pids) - before[name] for name, pids in parts.items()}
    memory.append(memory_bytes(everyone))
    await_quiet(behind)
    return Measurement(outcome, used, cpu_s(behind) - behind_before_s, memory[0], max(memory))


def await_quiet(pids: Set[int]) -> None:
    """Returns when they have nothing to do: what works behind one target would take the next one's CPU."""
    deadline_s = time.monotonic() + LONGEST_CATCH_UP_S
    while pids and time.monotonic() < deadline_s:
        before_s = cpu_s(pids)
        time.sleep(QUIET_WINDOW_S)
        if cpu_s(pids) - before_s < QUIET_SHARE * QUIET_WINDOW_S:
            return
