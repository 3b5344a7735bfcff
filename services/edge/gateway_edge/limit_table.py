"""The limits' state of keys in memory that all workers of an edge share.

One row of integers a key: its hash (0: a free row), its rate's state, and its requests in flight in each worker.
A worker writes its own column of those, so none is lost when it dies; the rate's state is read and written without
a lock, so two requests of one key in the same microsecond can count as one. Only the taking of a row is locked.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_edge.key_states import Key

ROWS = 32_768
LOOKED_AT = 64
"""Rows from a key's own on that are looked at; when all are taken, the key has limits of its own in each worker."""

_HASH, _ARRIVAL, _FIRST_WORKER = 0, 1, 2


class LimitTable:
    """Made before the fork. `rows` times (2 + `workers`) times 8 bytes, mapped when touched."""

    def __init__(self, workers: int, *, rows: int = ROWS) -> None:
        self._rows = rows
        self._columns = _FIRST_WORKER + workers
        self._cells = memoryview(mmap.mmap(-1, rows * self._columns * 8)).cast("q")
        self._lock_fd = os.memfd_create("limits")  # a lock of this file is released when its holder dies

    def join(self, worker: int) -> None:
        """`worker` begins with nothing in flight, whatever its predecessor had."""
        self._cells[_FIRST_WORKER + worker :: self._columns] = memoryview(bytes(self._rows * 8)).cast("q")

    def state(self, key: Key, now_ns: int, *, worker: int) -> "SharedState | None":
        """The row of a key, taken for it when it has none; None when there is no room."""
        key_hash = hash(key) or 1  # forked workers hash alike
        row = self._find(key_hash)
        if row is None:
            with self._locked():
                row = self._find(key_hash)
                if row is None:
                    row = self._take(key_hash, now_ns)
        return None if row is None else SharedState(self, row * self._columns, key_hash, worker)

    def _find(self, key_hash: int) -> int | None:
        for row in self._near(key_hash):
            if self._cells[row * self._columns] == key_hash:
                return row
        return None

    def _take(self, key_hash: int, now_ns: int) -> int | None:
        for row in self._near(key_hash):
            start = row * self._columns
            if not self._cells[start] or self._is_idle(start, now_ns):
                self._cells[start + _ARRIVAL] = 0
                self._cells[start] = key_hash
                return row
        return None

    def _is_idle(self, start: int, now_ns: int) -> bool:
        """As good as a key that was never seen."""
        return self._cells[start + _ARRIVAL] <= now_ns and not self.in_flight(start)

    def _near(self, key_hash: int) -> Iterator[int]:
        return ((key_hash + step) % self._rows for step in range(LOOKED_AT))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._lock_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock_fd, fcntl.LOCK_UN)

    # Of one row, which begins at the cell `start`

    def holder(self, start: int) -> int:
        return self._cells[start]

    def arrival_ns(self, start: int) -> int:
        return self._cells[start + _ARRIVAL]

    def set_arrival_ns(self, start: int, value: int) -> None:
        self._cells[start + _ARRIVAL] = value

    def in_flight(self, start: int) -> int:
        return sum(self._cells[start + _FIRST_WORKER : start + self._columns])

    def add_in_flight(self, start: int, worker: int, amount: int) -> None:
        self._cells[start + _FIRST_WORKER + worker] += amount


class SharedState:
    """A key's row as one worker uses it, for as long as the row `is_valid`: an idle one may go to another key."""

    __slots__ = ("_key_hash", "_start", "_table", "_worker")

    def __init__(self, table: LimitTable, start: int, key_hash: int, worker: int) -> None:
        self._table, self._start, self._key_hash, self._worker = table, start, key_hash, worker

    @property
    def is_valid(self) -> bool:
        return self._table.holder(self._start) == self._key_hash

    @property
    def theoretical_arrival_ns(self) -> int:
        return self._table.arrival_ns(self._start)

    @theoretical_arrival_ns.setter
    def theoretical_arrival_ns(self, value: int) -> None:
        self._table.set_arrival_ns(self._start, value)

    @property
    def in_flight(self) -> int:
        """In all workers."""
        return self._table.in_flight(self._start)

    def enter(self) -> None:
        self._table.add_in_flight(self._start, self._worker, 1)

    def leave(self) -> None:
        self._table.add_in_flight(self._start, self._worker, -1)
