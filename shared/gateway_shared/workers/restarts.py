"""When a worker that has died is started again. Pure; times are monotonic seconds."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
STEADY_S = 20.0
"""Who lived that long has no fault of its own to wait for: it is started again at once."""


class Restarts:
    """Of one worker's place: each one that dies soon doubles the pause before the next."""

    def __init__(self) -> None:
        self._pause_s = FIRST_PAUSE_S

    def pause_s(self, *, lived_s: float) -> float:
        """How long to wait, given how long the one that has just died had lived."""
        if lived_s >= STEADY_S:
            self._pause_s = FIRST_PAUSE_S
            return 0.0
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        return pause_s
