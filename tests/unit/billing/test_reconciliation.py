"""What is missing, and which journal has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_billing.journal_list import JournalListInvalid, parse_journal_list
from gateway_billing.reconciliation import Account, Comparison, Held, Range, compare, split

P = "router/boot"


def test_a_gap_is_replayed_from_the_journal_that_has_it_and_the_rest_is_named() -> None:
    account = Account(P, produced=20, in_ledger=14, missing=(Range(3, 4), Range(10, 13)))
    found = compare([account], [Held(P, Range(4, 11), ended=20)])
    assert found == Comparison(
        replayable=[(P, Range(4, 4)), (P, Range(10, 11))], lost=[(P, Range(3, 3)), (P, Range(12, 13))]
    )


def test_a_journal_that_is_ahead_of_the_ledger_shows_its_tail() -> None:
    found = compare([Account(P, produced=5, in_ledger=5)], [Held(P, Range(2, 9), ended=9)])
    assert found == Comparison(replayable=[(P, Range(6, 9))])


def test_a_producer_that_the_ledger_never_heard_of_is_missing_as_a_whole() -> None:
    assert compare([], [Held(P, Range(1, 3), ended=3)]) == Comparison(replayable=[(P, Range(1, 3))])
    assert compare([], [Held(P, None, ended=3)]) == Comparison(lost=[(P, Range(1, 3))])


def test_nothing_is_missing_when_the_ledger_has_what_the_journal_ended() -> None:
    assert compare([Account(P, produced=3, in_ledger=3)], [Held(P, Range(1, 3), ended=3)]) == Comparison()


RANGES = st.builds(lambda first, count: Range(first, first + count), st.integers(1, 30), st.integers(0, 10))


@given(RANGES, st.lists(RANGES, max_size=5))
def test_a_split_loses_no_number_and_doubles_none(gap: Range, held: list[Range]) -> None:
    inside, outside = split(gap, held)
    numbers = [number for part in (*inside, *outside) for number in range(part.first, part.last + 1)]
    assert sorted(numbers) == list(range(gap.first, gap.last + 1))
    there = {number for one in held for number in range(one.first, one.last + 1)}
    assert all(number in there for part in inside for number in range(part.first, part.last + 1))


@pytest.mark.parametrize("data", [b"", b"{}x", b"[1]", b'[{"producer": "p"}]', b'[{"producer": 1, "ended": 1}]'])
def test_what_is_no_list_of_journals_is_refused(data: bytes) -> None:
    with pytest.raises(JournalListInvalid):
        parse_journal_list(data)
