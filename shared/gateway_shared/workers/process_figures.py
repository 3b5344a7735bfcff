"""What a service's processes take of the machine, all of them together, as Prometheus' `process_...` metrics."""

import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ProcessFigures(Collector):
    """Of the supervisor and its living workers; the CPU time of dead ones stays in the sum."""

    def __init__(self, *, workers_configured: int) -> None:
        self.worker_pids: Iterable[int] = ()
        self.workers_configured = workers_configured
        self.workers_ended = 0

    def collect(self) -> Iterator[Metric]:
        pids = [os.getpid(), *self.worker_pids]
        dead = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = sum(map(_cpu_s, pids)) + dead.ru_utime + dead.ru_stime
        yield CounterMetricFamily("process_cpu_seconds", "User and system time of all processes, dead ones' too", cpu_s)
        yield GaugeMetricFamily(
            "process_resident_memory_bytes", "Memory of all processes, shared pages once", sum(map(_memory_bytes, pids))
        )
        yield GaugeMetricFamily("process_open_fds", "Open descriptors of all processes", sum(map(_descriptors, pids)))
        yield GaugeMetricFamily("gateway_workers_configured", "Workers that there should be", self.workers_configured)
        yield GaugeMetricFamily("gateway_workers_running", "Workers that there are", len(pids) - 1)
        yield CounterMetricFamily(
            "gateway_workers_ended", "Workers that ended without being told to", self.workers_ended
        )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _memory_bytes(pid: int) -> int:
    """The process's proportional share: a page that n processes share counts 1/n in each."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has ended, and we are about to hear of it
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0
