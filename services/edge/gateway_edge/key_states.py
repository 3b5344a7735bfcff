"""What the limits know of each key: in this process, or in memory that the edge's workers share. Pure.

A key that is idle costs nothing: its state is that of a new one, and is forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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


SharedStates = Callable[[Key, int], KeyState | None]
"""The state of a key in shared memory, given now in nanoseconds; None when there is no room for it."""


class KeyStates:
    """Of this process alone unless there are `shared` ones."""

    def __init__(self, shared: SharedStates | None = None) -> None:
        self._shared = shared
        self._states: dict[Key, KeyState] = {}

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: Key, *, now_ns: int) -> KeyState:
        state = self._states.get(key)
        if state is None or not state.is_valid:
            state = (None if self._shared is None else self._shared(key, now_ns)) or OwnState()
            self._states[key] = state
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
