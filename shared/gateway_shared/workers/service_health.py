"""One health report out of those of all workers. Pure.

status     draining; starting until all were ready once; then ok, or degraded when any worker is not
ready      when every worker is, which a degraded one may be
checks     a dependency is ok when every worker finds it so, else what the first one that does not says
facts      what all workers agree on stands at the top; `workers` has each one's own
"""

from collections.abc import Sequence
from dataclasses import dataclass

Report = dict[str, object]
_HEADINGS = ("status", "ready", "service", "version", "checks")


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """`report` is what the worker said (`Operations.health`); None when it said nothing, for `problem`."""

    pid: int | None
    report: Report | None
    problem: str = ""

    @property
    def status(self) -> str:
        return self.problem if self.report is None else str(self.report["status"])

    @property
    def is_ready(self) -> bool:
        return self.report is not None and self.report["ready"] is True

    @property
    def checks(self) -> dict[str, str]:
        checks = (self.report or {}).get("checks")
        return checks if isinstance(checks, dict) else {}

    @property
    def facts(self) -> Report:
        return {name: value for name, value in (self.report or {}).items() if name not in _HEADINGS}


def merge(
    service: str, version: str, workers: Sequence[WorkerReport], *, was_ready: bool, draining: bool
) -> tuple[bool, Report]:
    """Whether the service is ready, and what it says of itself."""
    all_ok = all(worker.status == "ok" for worker in workers)
    is_ready = not draining and all(worker.is_ready for worker in workers)
    status = "draining" if draining else "ok" if all_ok else "degraded" if was_ready or is_ready else "starting"
    return is_ready, {
        "status": status,
        "ready": is_ready,
        "service": service,
        "version": version,
        "checks": _checks(workers),
        **_common_facts(workers),
        "workers": [
            {
                "pid": worker.pid,
                "status": worker.status,
                "ready": worker.is_ready,
                "checks": worker.checks,
                **worker.facts,
            }
            for worker in workers
        ],
    }


def _checks(workers: Sequence[WorkerReport]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for number, worker in enumerate(workers):
        for name, state in worker.checks.items():
            if state == "ok" or merged.get(name, "ok") != "ok":
                merged.setdefault(name, state)
            else:
                merged[name] = state if len(workers) == 1 else f"worker {number}: {state}"
    return merged


def _common_facts(workers: Sequence[WorkerReport]) -> Report:
    first, *others = [worker.facts for worker in workers]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
