"""When something is lost, and what of it is sent again."""

from collections.abc import Sequence
from itertools import pairwise

from gateway_router.lost_events import LONGEST_PAUSE_LOOKS, LostEvents

WAITS = None
MARK: list[range] = []


def look(events: LostEvents, *, confirmed: int, ledger_has: int, missing: Sequence[range] = ()) -> list[range] | None:
    if not events.is_due():
        return WAITS
    if not events.is_behind(confirmed=confirmed, ledger_has=ledger_has):
        return WAITS
    return events.to_publish(missing)


def test_what_is_on_its_way_is_no_loss() -> None:
    events = LostEvents()
    for number in range(1, 50):
        assert look(events, confirmed=number * 100, ledger_has=number * 100 - 60) is WAITS


def test_a_gap_that_lasts_is_sent_again_and_only_what_was_missing_both_times() -> None:
    events = LostEvents()
    assert look(events, confirmed=100, ledger_has=10, missing=[range(11, 14), range(50, 52)]) is WAITS
    assert look(events, confirmed=200, ledger_has=10, missing=[range(11, 14), range(50, 52)]) is WAITS
    parts = look(events, confirmed=300, ledger_has=11, missing=[range(12, 14), range(51, 52), range(220, 230)])
    assert parts == [range(12, 14), range(51, 52)]


def test_of_a_tail_that_nobody_knows_of_the_mark_is_sent_and_then_the_tail() -> None:
    events = LostEvents()
    assert look(events, confirmed=20, ledger_has=15) is WAITS
    assert look(events, confirmed=20, ledger_has=15) == MARK
    assert look(events, confirmed=20, ledger_has=15, missing=[range(16, 21)]) is WAITS
    assert look(events, confirmed=20, ledger_has=15, missing=[range(16, 21)]) == [range(16, 21)]
    assert look(events, confirmed=20, ledger_has=20) is WAITS


def test_while_billing_is_away_marks_come_less_and_less_often() -> None:
    events = LostEvents()
    sent = [number for number in range(1_000) if look(events, confirmed=20, ledger_has=0) == MARK]
    assert sent[:6] == [1, 2, 4, 7, 12, 21]
    assert max(later - one for one, later in pairwise(sent)) == LONGEST_PAUSE_LOOKS + 1


def test_a_gap_that_nothing_closes_is_hardly_asked_about_any_more() -> None:
    """Its journal was damaged, or is gone: the ledger looks at all that came after it."""
    events, asked = LostEvents(), 0
    for number in range(1_000):
        if events.is_due():
            asked += 1
            if events.is_behind(confirmed=100 + number, ledger_has=50):
                events.to_publish([range(51, 52)])
    assert asked < 30


def test_a_ledger_that_does_not_answer_is_asked_less_about_who_is_behind_only() -> None:
    well, ill = LostEvents(), LostEvents()
    for _ in range(2):
        ill.is_due()
        ill.is_behind(confirmed=100, ledger_has=50)
        well.is_due()
        well.is_behind(confirmed=100, ledger_has=100)
    asked = {"well": 0, "ill": 0}
    for _ in range(200):
        for name, one in (("well", well), ("ill", ill)):
            if one.is_due():
                asked[name] += 1
                one.not_told()
    assert asked["well"] == 200
    assert asked["ill"] < 15


def test_where_it_helps_it_goes_on_at_every_look() -> None:
    events = LostEvents()
    looks = [look(events, confirmed=100, ledger_has=0, missing=[range(1, 101)]) for _ in range(3)]
    assert looks == [WAITS, WAITS, [range(1, 101)]]
    for number in range(1, 10):
        missing = [range(number * 10 + 1, 101)]
        assert look(events, confirmed=100, ledger_has=number * 10, missing=missing) == missing


def test_a_loss_that_is_over_is_forgotten() -> None:
    events = LostEvents()
    for _ in range(3):
        look(events, confirmed=100, ledger_has=0, missing=[range(1, 101)])
    assert look(events, confirmed=150, ledger_has=150) is WAITS
    assert look(events, confirmed=200, ledger_has=150) is WAITS
    assert look(events, confirmed=300, ledger_has=150, missing=[range(151, 160)]) is WAITS
    assert look(events, confirmed=300, ledger_has=150, missing=[range(151, 160)]) == [range(151, 160)]
