from dataclasses import replace

import pytest

from gateway_router.provider_traffic import ProviderTraffic
from tests.unit.router.registered import registered


def test_no_more_calls_are_open_at_once_than_may_be() -> None:
    traffic, limited = ProviderTraffic(), registered("a", "openai", max_open_calls=2)
    for _ in range(2):
        assert traffic.wait_s(limited, now_s=0) == 0
        traffic.begin(limited, now_s=0)
    assert traffic.wait_s(limited, now_s=0) == 1
    traffic.end(limited)
    assert traffic.wait_s(limited, now_s=0) == 0


def test_no_more_calls_begin_in_any_minute_than_may() -> None:
    traffic, limited = ProviderTraffic(), registered("a", "openai", requests_per_minute=3)
    for now_s in (0, 10, 20):
        assert traffic.wait_s(limited, now_s=now_s) == 0
        traffic.begin(limited, now_s=now_s)
        traffic.end(limited)
    assert traffic.wait_s(limited, now_s=20) == 40
    assert traffic.wait_s(limited, now_s=59) == 1
    traffic.begin(limited, now_s=60)
    assert traffic.wait_s(limited, now_s=60) == 10


@pytest.mark.parametrize(("limit", "workers", "share"), [(10, 4, 3), (1, 4, 1), (8, 2, 4)])
def test_a_worker_keeps_to_its_share(limit: int, workers: int, share: int) -> None:
    traffic, limited = ProviderTraffic(sharers=workers), registered("a", "openai", max_open_calls=limit)
    begun = 0
    while not traffic.wait_s(limited, now_s=0):
        traffic.begin(limited, now_s=0)
        begun += 1
    assert begun == share


def test_limits_are_of_one_registration_and_hold_when_it_changes() -> None:
    traffic, limited = ProviderTraffic(), registered("a", "openai", max_open_calls=1, version=1)
    traffic.begin(limited, now_s=0)
    assert traffic.wait_s(replace(limited, version=2), now_s=0) == 1
    assert traffic.wait_s(replace(limited, name="b"), now_s=0) == 0
    assert traffic.wait_s(replace(limited, tenant_id="acme"), now_s=0) == 0


def test_who_has_no_limit_is_not_counted() -> None:
    traffic, free = ProviderTraffic(), registered("a", "openai")
    for _ in range(1_000):
        traffic.begin(free, now_s=0)
    assert traffic.wait_s(free, now_s=0) == 0
    assert traffic._open == {}
