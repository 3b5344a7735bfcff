"""When a router that can be reached is not asked, and when it is again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_shared.hop_ejection import FAULTS_IN_A_ROW, LONGEST_S, SHORTEST_S, Ejection


def refused(ejection: Ejection, now_s: float, *, is_trial: bool = False, chance: float = 1.0) -> bool:
    return ejection.failed(is_refusal=True, is_trial=is_trial, now_s=now_s, chance=chance)


def faulty(ejection: Ejection, now_s: float) -> bool:
    return ejection.failed(is_refusal=False, is_trial=False, now_s=now_s, chance=1.0)


def test_a_refusal_ejects_at_once_and_for_a_time() -> None:
    ejection = Ejection()
    assert ejection.admits(now_s=0)
    assert refused(ejection, 0)
    assert not ejection.admits(now_s=SHORTEST_S - 0.01)
    assert ejection.admits(now_s=SHORTEST_S)


def test_one_call_tries_it_again_and_only_one() -> None:
    ejection = Ejection()
    refused(ejection, 0)
    assert ejection.begin(now_s=SHORTEST_S)
    assert not ejection.admits(now_s=SHORTEST_S)
    ejection.answered(is_trial=True)
    assert ejection.admits(now_s=SHORTEST_S)
    assert not ejection.is_in_force


def test_a_trial_that_says_nothing_leaves_room_for_another() -> None:
    ejection = Ejection()
    refused(ejection, 0)
    assert ejection.begin(now_s=2)
    ejection.given_up(is_trial=True)
    assert ejection.begin(now_s=2)


def test_each_time_that_it_is_no_better_is_twice_as_long_up_to_a_limit() -> None:
    ejection = Ejection()
    now_s = 0.0
    refused(ejection, now_s)
    lengths = []
    for _ in range(10):
        since_s = now_s
        while not ejection.admits(now_s=now_s):
            now_s += 0.25
        lengths.append(now_s - since_s)
        assert ejection.begin(now_s=now_s)
        assert refused(ejection, now_s, is_trial=True)
    assert lengths[:5] == [1, 2, 4, 8, 16]
    assert set(lengths[5:]) == {LONGEST_S}


def test_calls_that_were_on_their_way_do_not_make_it_longer() -> None:
    ejection = Ejection()
    assert refused(ejection, 0)
    assert not any(refused(ejection, 0.1) for _ in range(100))
    assert ejection.admits(now_s=SHORTEST_S)


def test_a_fault_may_be_the_requests_doing_several_in_a_row_are_not() -> None:
    ejection = Ejection()
    for _ in range(FAULTS_IN_A_ROW - 1):
        assert not faulty(ejection, 0)
    ejection.answered(is_trial=False)
    for _ in range(FAULTS_IN_A_ROW - 1):
        assert not faulty(ejection, 0)
    assert faulty(ejection, 0)
    assert not ejection.admits(now_s=0)


def test_an_answer_to_an_earlier_call_is_no_sign_that_it_is_well() -> None:
    ejection = Ejection()
    refused(ejection, 0)
    ejection.answered(is_trial=False)
    assert not ejection.admits(now_s=0.5)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_edges_do_not_come_back_at_one_moment(chance: float) -> None:
    ejection = Ejection()
    refused(ejection, 0, chance=chance)
    assert not ejection.admits(now_s=SHORTEST_S * (0.5 + chance / 2) - 0.01)
    assert ejection.admits(now_s=SHORTEST_S)


@given(st.lists(st.tuples(st.sampled_from(["begin", "answered", "failed", "fault", "given up"]), st.floats(0, 5))))
def test_it_is_always_tried_again_in_the_end(steps: list[tuple[str, float]]) -> None:
    ejection, now_s = Ejection(), 0.0
    open_calls: list[bool] = []
    for step, passed_s in steps:
        now_s += passed_s
        if step == "begin":
            open_calls.append(ejection.begin(now_s=now_s))
        elif open_calls:
            is_trial = open_calls.pop()
            if step == "answered":
                ejection.answered(is_trial=is_trial)
            elif step == "given up":
                ejection.given_up(is_trial=is_trial)
            else:
                ejection.failed(is_refusal=step == "failed", is_trial=is_trial, now_s=now_s, chance=0.5)
    for is_trial in open_calls:
        ejection.given_up(is_trial=is_trial)
    assert ejection.admits(now_s=now_s + LONGEST_S)
