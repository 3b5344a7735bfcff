"""What the limits know of each key: in this process, or in memory that the edge's workers share.

A key that is idle costs nothing: its state is that of a new one, and is forgotten.
"""

from dataclasses import dataclass
from typing import Protocol

from gateway_edge.limit_table import LimitTable, SharedState

Key = tuple[str, str]
"""Tenant id and key id."""


class KeyState(Protocol):
    """`theoretical_arrival_ns` is the rate's (rate_limit.py); `in_flight` is changed by `enter` and `leave`."""

    theoretical_arrival_ns: int

    @property
    def is_valid(self) -> bool: ...

    @property
    def in_flight(self) -> int: ...

    def enter(self) -> None: ...

    def leave(self) -> None: ...


@dataclass(slots=True)
class OwnState:
    """Of a key in one process."""

    theoretical_arrival_ns: int = 0
    in_flight: int = 0
    is_valid: bool = True

    def enter(self) -> None:
        self.in_flight += 1

    def leave(self) -> None:
        self.in_flight -= 1


class KeyStates:
    """Of this process alone, or `shared`: the table and this worker's number."""

    def __init__(self, shared: tuple[LimitTable, int] | None = None) -> None:
        self._shared = shared
        self._states: dict[Key, KeyState] = {}

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: Key, *, now_ns: int) -> KeyState:
        state = self._states.get(key)
        if state is None or not state.is_valid:
            state = self._states[key] = self._shared_state(key, now_ns) or OwnState()
        return state

    def known(self, key: Key) -> KeyState:
        """Of a key with a request in flight."""
        return self._states[key]

    def forget_idle(self, *, now_ns: int) -> None:
        """Forgets keys whose state is that of a new one."""
        self._states = {
            key: state
            for key, state in self._states.items()
            if state.is_valid and (state.in_flight or state.theoretical_arrival_ns > now_ns)
        }

    def _shared_state(self, key: Key, now_ns: int) -> SharedState | None:
        if self._shared is None:
            return None
        table, worker = self._shared
        return table.state(hash(key), worker, now_ns=now_ns)  # forked workers hash alike
