"""Limits in memory that several workers share: two views of one table stand for two processes, and two real ones."""

import os
from dataclasses import replace
from functools import partial

import pytest

from gateway_edge.key_limits import KeyLimits, LimitReached
from gateway_edge.key_states import KeyStates
from gateway_edge.limit_table import LOOKED_AT, LimitTable
from gateway_edge.rate_limit import MINUTE_NS
from tests.unit.edge.test_key_limits import GRANT

NOW_NS = 10 * MINUTE_NS


def workers_limits(
    table: LimitTable, *, requests_per_minute: int = 600, concurrent_requests: int = 50
) -> list[KeyLimits]:
    return [
        KeyLimits(
            KeyStates(partial(table.state, worker=worker)),
            requests_per_minute=requests_per_minute,
            concurrent_requests=concurrent_requests,
        )
        for worker in range(2)
    ]


def test_a_keys_rate_is_one_over_all_workers() -> None:
    one, other = workers_limits(LimitTable(2), requests_per_minute=3)
    assert one.admit(GRANT, now_ns=NOW_NS)["x-ratelimit-remaining-requests"] == "2"
    assert other.admit(GRANT, now_ns=NOW_NS)["x-ratelimit-remaining-requests"] == "1"
    one.admit(GRANT, now_ns=NOW_NS)
    for limits in (one, other):
        with pytest.raises(LimitReached, match="3 requests per minute"):
            limits.admit(GRANT, now_ns=NOW_NS)


def test_a_keys_places_in_flight_are_one_number_over_all_workers() -> None:
    one, other = workers_limits(LimitTable(2), concurrent_requests=2)
    one.admit(GRANT, now_ns=NOW_NS)
    other.admit(GRANT, now_ns=NOW_NS)
    for limits in (one, other):
        with pytest.raises(LimitReached, match="2 requests in flight"):
            limits.admit(GRANT, now_ns=NOW_NS)
    other.release(GRANT)
    one.admit(GRANT, now_ns=NOW_NS)


def test_keys_do_not_share() -> None:
    one, other = workers_limits(LimitTable(2), requests_per_minute=1)
    for number in range(200):
        (one, other)[number % 2].admit(replace(GRANT, key_id=f"key_{number}"), now_ns=NOW_NS)


def test_a_worker_that_died_holds_no_place() -> None:
    table = LimitTable(2)
    one, other = workers_limits(table, concurrent_requests=2)
    one.admit(GRANT, now_ns=NOW_NS)
    other.admit(GRANT, now_ns=NOW_NS)
    table.join(1)  # its successor
    one.admit(GRANT, now_ns=NOW_NS)
    with pytest.raises(LimitReached):
        one.admit(GRANT, now_ns=NOW_NS)


def test_a_row_goes_to_another_key_once_it_is_idle_and_its_old_key_begins_anew() -> None:
    one, other = workers_limits(LimitTable(2, rows=1), requests_per_minute=1)
    another = replace(GRANT, key_id="key_2")
    one.admit(GRANT, now_ns=NOW_NS)
    one.release(GRANT)
    later_ns = NOW_NS + MINUTE_NS
    other.admit(another, now_ns=later_ns)
    with pytest.raises(LimitReached):
        one.admit(another, now_ns=later_ns)
    one.admit(GRANT, now_ns=later_ns)  # no room: of this worker's own


def test_a_full_table_leaves_each_worker_limits_of_its_own() -> None:
    one, _ = workers_limits(LimitTable(2, rows=2), requests_per_minute=1)
    grants = [replace(GRANT, key_id=f"key_{number}") for number in range(LOOKED_AT)]
    for grant in grants:
        one.admit(grant, now_ns=NOW_NS)
    for grant in grants:
        with pytest.raises(LimitReached):
            one.admit(grant, now_ns=NOW_NS)


def test_the_state_is_seen_by_another_process() -> None:
    table = LimitTable(2)
    one, other = workers_limits(table, requests_per_minute=2)
    child = os.fork()
    if child == 0:
        other.admit(GRANT, now_ns=NOW_NS)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    one.admit(GRANT, now_ns=NOW_NS)
    with pytest.raises(LimitReached):
        one.admit(GRANT, now_ns=NOW_NS)
