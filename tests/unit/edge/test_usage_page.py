"""Pages of usage: OpenAI's shape, money as text, and a page that ends early rather than in the middle of a bucket."""

from typing import Any

import pytest

from gateway_edge.usage_page import MAX_RESULTS, usage_page
from gateway_edge.usage_query import parse_usage_query
from gateway_shared.errors import BadRequest

QUERY = parse_usage_query([("start_time", "0"), ("end_time", "300"), ("bucket_width", "1m")], now_s=0)
COUNTS = (
    "requests",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "uncharged_attempts",
)
KEYS = ("user_id", "key_id", "model", "service_tier", "channel", "provider", "agent_run_id")


def row(bucket_start_s: int, **changes: Any) -> dict[str, Any]:
    return {
        "bucket_start_s": bucket_start_s,
        "charge_nano_usd": None,
        **dict.fromkeys(COUNTS, 0),
        **dict.fromkeys(KEYS),
        **changes,
    }


def test_every_bucket_is_there_the_empty_ones_too() -> None:
    page: Any = usage_page(QUERY, [row(60, requests=3), row(60, requests=4), row(240)])
    assert (page["object"], page["has_more"], page["next_page"]) == ("page", False, None)
    assert [bucket["start_time"] for bucket in page["data"]] == [0, 60, 120, 180, 240]
    assert [len(bucket["results"]) for bucket in page["data"]] == [0, 2, 0, 0, 1]
    assert [result["num_model_requests"] for result in page["data"][1]["results"]] == [3, 4]


def test_money_is_text_and_what_has_no_charge_yet_is_null() -> None:
    page: Any = usage_page(QUERY, [row(0, charge_nano_usd=2**53 + 1, uncharged_attempts=2), row(60)])
    (charged,), (uncharged,) = page["data"][0]["results"], page["data"][1]["results"]
    assert (charged["charge_nano_usd"], charged["num_uncharged_attempts"]) == ("9007199254740993", 2)
    assert uncharged["charge_nano_usd"] is None


def test_a_page_that_would_be_too_large_ends_before_the_bucket_that_is_cut() -> None:
    rows = [row(60)] * 10 + [row(120)] * (MAX_RESULTS - 9)
    page: Any = usage_page(QUERY, rows)
    assert [(bucket["start_time"], len(bucket["results"])) for bucket in page["data"]] == [(0, 0), (60, 10)]
    assert page["has_more"]
    following = parse_usage_query(
        [("start_time", "0"), ("end_time", "300"), ("bucket_width", "1m"), ("page", page["next_page"])], now_s=0
    )
    assert following.start_s == 120


def test_a_bucket_that_is_too_large_by_itself_is_a_400() -> None:
    with pytest.raises(BadRequest, match="in one bucket"):
        usage_page(QUERY, [row(120)] * (MAX_RESULTS + 1))
