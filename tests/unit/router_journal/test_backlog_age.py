"""The age of the oldest unconfirmed event."""

from gateway_router.backlog_age import BacklogAge


def test_nothing_waiting_is_no_age() -> None:
    age = BacklogAge()
    assert age.oldest_s(now_s=5.0) == 0.0
    age.appended(3, now_s=1.0)
    age.confirmed(3)
    assert age.oldest_s(now_s=5.0) == 0.0


def test_the_oldest_unconfirmed_event_counts() -> None:
    age = BacklogAge()
    age.appended(1, now_s=10.0)
    age.appended(2, now_s=20.0)
    age.confirmed(1)
    assert age.oldest_s(now_s=25.0) == 5.0


def test_a_long_outage_keeps_one_mark_a_second_and_the_age_of_its_first_event() -> None:
    age = BacklogAge()
    for event in range(1, 100_001):
        age.appended(event, now_s=event / 1000)
    assert len(age._marks) <= 101
    assert age.oldest_s(now_s=100.0) == 100.0 - 0.001
    age.confirmed(50_000)
    assert 50.0 <= age.oldest_s(now_s=100.0) <= 51.0
