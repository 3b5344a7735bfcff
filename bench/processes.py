"""What processes have used, from /proc: CPU and memory of whole trees."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def tree(roots: Iterable[int]) -> set[int]:
    """`roots` and all their descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of the processes, in seconds; one that has ended counts nothing."""
    return sum(int(fields[11]) + int(fields[12]) for pid in pids if (fields := _stat(pid))) / TICKS_PER_S


def memory_bytes(pids: Iterable[int]) -> int:
    """Proportional set size of the processes: pages that forks share count once. Resident size where that is hidden."""
    return sum(_memory_bytes(pid, ("Pss:",)) for pid in pids)


def private_bytes(pids: Iterable[int]) -> int:
    """What would be free if the processes ended: unlike a proportional share, it does not move when others map or
    unmap the same libraries. Resident size where it is hidden.
    """
    return sum(_memory_bytes(pid, ("Private_Clean:", "Private_Dirty:")) for pid in pids)


def is_running(pid: int) -> bool:
    return _stat(pid) is not None


def _memory_bytes(pid: int, kinds: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except PermissionError:
        fields = _stat(pid)
        return int(fields[21]) * PAGE_BYTES if fields else 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(kinds))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (proc(5) numbers it 3); None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
