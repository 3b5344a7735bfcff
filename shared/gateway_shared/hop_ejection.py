"""Which routers are left alone for a while: those that can be reached and do not answer as they should.

The least loaded router is asked, and one that refuses at once is always the least loaded: without this it would draw
nearly all calls. A refusal of the router's own (no more calls, no room to record them) ejects it at once, a fault of
its own only when several come in a row, since one may be the request's doing. After its time one call tries it again.

Pure; `now_s` is monotonic, `chance` uniform in 0..1. Source: outlier detection in Envoy, consecutive errors.
"""

from dataclasses import dataclass

FAULTS_IN_A_ROW = 5
SHORTEST_S, LONGEST_S = 1.0, 30.0
"""Of an ejection: doubled each time that the router is no better after it."""


@dataclass(slots=True)
class Ejection:
    """Of one router and operation. After `begin` comes `answered`, `failed` or `given_up`, with what `begin` said."""

    _faults: int = 0
    _in_a_row: int = 0
    _until_s: float = 0.0
    _is_tried: bool = False

    @property
    def is_in_force(self) -> bool:
        """Whether the router has yet to show that it is well again."""
        return self._in_a_row > 0

    def admits(self, *, now_s: float) -> bool:
        return not self._in_a_row or (now_s >= self._until_s and not self._is_tried)

    def begin(self, *, now_s: float) -> bool:
        """Whether this call is the one that tries the router again."""
        if not self._in_a_row or not self.admits(now_s=now_s):
            return False
        self._is_tried = True
        return True

    def answered(self, *, is_trial: bool) -> None:
        """With anything but an error of the router's own."""
        self._faults = 0
        if is_trial:
            self._in_a_row, self._is_tried = 0, False

    def failed(self, *, is_refusal: bool, is_trial: bool, now_s: float, chance: float) -> bool:
        """With an error of its own; whether the router is ejected by it."""
        self._faults += 1
        if is_trial:
            self._is_tried = False
        elif self._in_a_row:
            return False  # begun before, or because no other router was there
        if not (is_refusal or is_trial or self._faults >= FAULTS_IN_A_ROW):
            return False
        longest_s = min(LONGEST_S, SHORTEST_S * 2.0 ** min(self._in_a_row, 10))
        self._until_s = now_s + longest_s * (0.5 + chance / 2)
        self._in_a_row += 1
        self._faults = 0
        return True

    def given_up(self, *, is_trial: bool) -> None:
        """The router said nothing: the client left, or the connection was lost."""
        if is_trial:
            self._is_tried = False
