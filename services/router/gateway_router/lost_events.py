"""When the ledger lacks what the broker confirmed, and what of it to publish again. Pure.

Events on their way are no loss, and billing may be away for hours; so nothing is done at first sight, and less and
less often where it does not help. Nor is the ledger asked more often: of a producer with a gap that nothing closes it
has to look at all that came after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

LONGEST_PAUSE_LOOKS = 64


@dataclass(slots=True)
class LostEvents:
    """Of one producer, looked at again and again; `confirmed` and `ledger_has` are sequences.

    At each look `is_due`, then `is_behind`, then `to_publish`; or `not_told`, where the ledger gave no answer.
    """

    _confirmed_before: int | None = None
    _ledger_had: int = -1
    _missed_before: list[range] = field(default_factory=list)
    _was_behind: bool = False
    _pause_looks: int = 0
    _looks_to_wait: int = 0

    def is_due(self) -> bool:
        """Whether the ledger is to be asked at this look."""
        if self._looks_to_wait:
            self._looks_to_wait -= 1
            return False
        return True

    def is_behind(self, *, confirmed: int, ledger_has: int) -> bool:
        """Whether the ledger lacks something that was confirmed when it was last asked."""
        before, self._confirmed_before = self._confirmed_before, confirmed
        if ledger_has > self._ledger_had:
            self._pause_looks = 0
        self._ledger_had = ledger_has
        self._was_behind = before is not None and ledger_has < before
        if not self._was_behind:
            self._missed_before = []
        return self._was_behind

    def to_publish(self, missing: Sequence[range]) -> list[range] | None:
        """Of one that is behind: what was missing the last time too; None where nothing is to be done now.

        An empty list asks for the producer's mark: when that has arrived, what is missing is known.
        """
        lasting, self._missed_before = _common(self._missed_before, missing), list(missing)
        if missing and not lasting:
            return None
        self._pause()
        return lasting

    def not_told(self) -> None:
        """Whoever was not behind is asked again at the next look."""
        if self._was_behind:
            self._pause()

    def _pause(self) -> None:
        self._looks_to_wait = self._pause_looks
        self._pause_looks = min(max(1, 2 * self._pause_looks), LONGEST_PAUSE_LOOKS)


def _common(before: Sequence[range], now: Sequence[range]) -> list[range]:
    """Both are sorted, disjoint, and short."""
    shared = (range(max(one.start, two.start), min(one.stop, two.stop)) for one in before for two in now)
    return [part for part in shared if part]
