"""What is missing of which producer, and which journal can bring it back. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """The numbers `first` to `last`, both included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Account:
    """One producer by the ledger. `doubled`: rows beyond one for a number; `dropped`: removed by retention."""

    producer: str
    produced: int
    in_ledger: int = 0
    doubled: int = 0
    quarantined: int = 0
    dismissed: int = 0
    dropped: int = 0
    closed: bool = False
    missing: tuple[Range, ...] = ()

    @property
    def missing_count(self) -> int:
        return sum(one.count for one in self.missing)


@dataclass(frozen=True, slots=True)
class Held:
    """What one journal holds of a producer's events, and up to which number the producer has ended any."""

    producer: str
    events: Range | None
    ended: int


@dataclass(slots=True)
class Comparison:
    """`replayable`: missing in the ledger, in a journal; `lost`: missing in both."""

    replayable: list[tuple[str, Range]] = field(default_factory=list)
    lost: list[tuple[str, Range]] = field(default_factory=list)


def compare(accounts: Iterable[Account], journals: Iterable[Held]) -> Comparison:
    """A journal may know of events that the ledger has never heard of: those behind `produced` are missing too."""
    by_producer = {account.producer: account for account in accounts}
    held: dict[str, list[Range]] = {}
    ended: dict[str, int] = {}
    for journal in journals:
        held.setdefault(journal.producer, []).extend([journal.events] if journal.events else [])
        ended[journal.producer] = max(journal.ended, ended.get(journal.producer, 0))
    found = Comparison()
    for producer in sorted(by_producer.keys() | held.keys()):
        account = by_producer.get(producer, Account(producer, 0))
        missing = list(account.missing)
        if ended.get(producer, 0) > account.produced:
            missing.append(Range(account.produced + 1, ended[producer]))
        for gap in missing:
            there, not_there = split(gap, held.get(producer, []))
            found.replayable += [(producer, part) for part in there]
            found.lost += [(producer, part) for part in not_there]
    return found


def split(gap: Range, held: Sequence[Range]) -> tuple[list[Range], list[Range]]:
    """The parts of `gap` that are in `held` and those that are not, each without overlap and in order."""
    inside: list[Range] = []
    outside: list[Range] = []
    at = gap.first
    for one in sorted(held):
        if one.last < at or one.first > gap.last:
            continue
        if one.first > at:
            outside.append(Range(at, one.first - 1))
            at = one.first
        last = min(one.last, gap.last)
        inside.append(Range(at, last))
        at = last + 1
    if at <= gap.last:
        outside.append(Range(at, gap.last))
    return inside, outside
