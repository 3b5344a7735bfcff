"""What `GET /v1/usage` takes, what it refuses, and the buckets that a page has."""

import base64
import contextlib
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.usage_query import Bucket, UsageQuery, parse_usage_query
from gateway_shared.errors import BadRequest

NOW_S = 1_795_478_400  # 2026-11-24 00:00 UTC
DAY_S = 86_400


def parse(text: str) -> UsageQuery:
    return parse_usage_query(parse_qsl(text, keep_blank_values=True), now_s=NOW_S)


def refused(text: str) -> str | None:
    with pytest.raises(BadRequest) as error:
        parse(text)
    return error.value.param


def test_it_begins_where_it_was_asked_to_and_goes_on_at_whole_days() -> None:
    query = parse(f"start_time={NOW_S - 2 * DAY_S + 100}&end_time={NOW_S + 50}")
    assert query.buckets() == [
        Bucket(NOW_S - 2 * DAY_S + 100, NOW_S - DAY_S),
        Bucket(NOW_S - DAY_S, NOW_S),
        Bucket(NOW_S, NOW_S + 50),
    ]


@pytest.mark.parametrize(("width", "count"), [("1m", 60), ("1h", 24), ("1d", 7)])
def test_a_page_has_as_many_buckets_as_openais_by_default(width: str, count: int) -> None:
    assert len(parse(f"start_time=0&bucket_width={width}").buckets()) == count


def test_the_end_is_now_unless_it_is_given() -> None:
    assert parse(f"start_time={NOW_S - 10}").end_s == NOW_S
    assert parse(f"start_time={NOW_S + 10}").buckets() == [Bucket(NOW_S + 10, NOW_S + 11)]


def test_a_list_is_its_name_again_with_or_without_brackets() -> None:
    query = parse("start_time=0&models=a&models[]=b&group_by[]=model&group_by=channel")
    assert query.filters["models"] == ["a", "b"]
    assert query.filters["user_ids"] is None
    assert query.group_by == ["model", "channel"]


@given(
    start_s=st.integers(0, 2 * NOW_S),
    seconds=st.integers(1, 100 * DAY_S),
    width=st.sampled_from(["1m", "1h", "1d"]),
    limit=st.integers(1, 31),
)
def test_pages_cover_the_time_without_a_gap_or_an_overlap(start_s: int, seconds: int, width: str, limit: int) -> None:
    query = f"start_time={start_s}&end_time={start_s + seconds}&bucket_width={width}&limit={limit}"
    at_s, pages = start_s, 0
    page = parse(query)
    while pages < 50:
        for bucket in page.buckets():
            assert bucket.start_s == at_s < bucket.end_s
            at_s = bucket.end_s
        pages += 1
        if at_s == start_s + seconds:
            break
        page = parse(f"{query}&page={page.cursor(at_s)}")
    assert at_s == start_s + seconds or pages == 50


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("", "start_time"),
        ("start_time=", "start_time"),
        ("start_time=yesterday", "start_time"),
        ("start_time=-1", "start_time"),
        ("start_time=1.5", "start_time"),
        ("start_time=1e9", "start_time"),
        ("start_time=\u0661\u0662", "start_time"),
        ("start_time=99999999999999999999", "start_time"),
        ("start_time=1&start_time=2", "start_time"),
        ("start_time=5&end_time=5", "end_time"),
        ("start_time=5&end_time=4", "end_time"),
        ("start_time=0&bucket_width=1w", "bucket_width"),
        ("start_time=0&limit=0", "limit"),
        ("start_time=0&limit=32", "limit"),
        ("start_time=0&limit=1441&bucket_width=1m", "limit"),
        ("start_time=0&group_by=tenant_id", "group_by"),
        ("start_time=0&group_by=project_id", "group_by"),
        ("start_time=0&tenant_id=other", "tenant_id"),
        ("start_time=0&tenant=other", "tenant"),
        ("start_time=0&batch=true", "batch"),
        ("start_time=0&limit[]=1", "limit[]"),
        ("start_time=0&models=", "models"),
        ("start_time=0&models=a%00b", "models"),
        ("start_time=0&models=" + "a" * 257, "models"),
        ("start_time=0" + "&user_ids=u" * 101, "user_ids"),
        ("start_time=0&page=next", "page"),
        ("start_time=0&page=page_AAAA", "page"),
        ("start_time=0&page=page_" + "A" * 200, "page"),
        ("start_time=0&page=" + "é", "page"),
    ],
)
def test_what_is_wrong_is_a_400_that_names_the_parameter(text: str, param: str) -> None:
    assert refused(text) == param


def test_a_cursor_stays_within_its_query() -> None:
    cursor = parse("start_time=1000&end_time=2000").cursor(1500)
    assert parse(f"start_time=1000&end_time=2000&page={cursor}").start_s == 1500
    assert parse(f"start_time=1000&page={cursor}").end_s == 2000
    assert refused(f"start_time=1600&end_time=2000&page={cursor}") == "page"
    assert refused(f"start_time=1000&end_time=3000&page={cursor}") == "page"
    beyond = "page_" + base64.urlsafe_b64encode((1500).to_bytes(8, "big") + b"\xff" * 8).decode()
    assert refused(f"start_time=1000&page={beyond}") == "page"


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=300)), max_size=8))
def test_anything_else_is_a_query_or_a_400(parameters: list[tuple[str, str]]) -> None:
    with contextlib.suppress(BadRequest):
        assert parse_usage_query([("start_time", "0"), *parameters], now_s=NOW_S).buckets()
