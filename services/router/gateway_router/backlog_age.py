"""How old the oldest unconfirmed event is, from at most one mark a second. Pure."""

from collections import deque


class BacklogAge:
    """Times are monotonic seconds. The answer is up to one mark too old, never too young by more."""

    def __init__(self, *, mark_every_s: float = 1.0) -> None:
        self._mark_every_s = mark_every_s
        self._marks: deque[tuple[int, float]] = deque()

    def appended(self, last_sequence: int, *, now_s: float) -> None:
        """Events up to `last_sequence` exist at `now_s`."""
        if self._marks and now_s - self._marks[-1][1] < self._mark_every_s:
            self._marks[-1] = (last_sequence, self._marks[-1][1])
        else:
            self._marks.append((last_sequence, now_s))

    def confirmed(self, sequence: int) -> None:
        """Events up to `sequence` have arrived."""
        while self._marks and self._marks[0][0] <= sequence:
            self._marks.popleft()

    def oldest_s(self, *, now_s: float) -> float:
        """0 when nothing waits."""
        return max(0.0, now_s - self._marks[0][1]) if self._marks else 0.0
