import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_shared.usage_event import TokenCounts, UsageEvent, UsageEventInvalid

EVENT = UsageEvent(
    event_id="01900000-0000-7000-8000-000000000000",
    request_id="req_1",
    attempt=1,
    is_final=True,
    producer="router-1/boot",
    sequence=1,
    tenant_id="default",
    user_id="someone",
    key_id="key_1",
    plan_id="standard",
    channel="langchain",
    end_user=None,
    agent_id=None,
    agent_run_id="run",
    agent_parent_run_id=None,
    traceparent=None,
    client_retry_count=0,
    endpoint="chat.completions",
    stream=True,
    provider="simulator",
    price_provider="openai",
    model_requested="gpt-4o",
    model_upstream="gpt-4o",
    model_served="gpt-4o-2024-08-06",
    service_tier="default",
    started_at="2026-11-23T20:00:00.000000Z",
    duration_us=1,
    time_to_first_token_us=None,
    http_status=200,
    status="settled",
    finish_state="complete",
    usage_source="provider",
    tokens=TokenCounts(input_tokens=7, output_tokens=20),
)


def changed(**changes: object) -> bytes:
    return orjson.dumps({**orjson.loads(EVENT.to_json()), **changes})


def test_an_event_is_read_back_as_it_was_written() -> None:
    assert UsageEvent.from_json(EVENT.to_json()) == EVENT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"{}",
        changed(schema_version=3),
        changed(status="done"),
        changed(channel="other"),
        changed(tokens={"input_tokens": -1}),
        changed(tokens={"input_tokens": 1.5}),
        changed(tokens={"input_tokens": True}),
        changed(tokens={"input_tokens": 2**63}),
        changed(tokens=[]),
        changed(tenant_id="a\0b"),
        changed(tenant_id=None),
        changed(sequence=0),
        changed(attempt="1"),
        changed(duration_us=None),
        changed(duration_us=-1),
        changed(http_status=2**63),
        changed(stream=1),
        changed(surprise=1),
    ],
)
def test_what_is_not_an_event_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UsageEventInvalid):
        UsageEvent.from_json(data)


def test_an_event_of_the_first_version_is_still_read() -> None:
    first = {name: value for name, value in orjson.loads(EVENT.to_json()).items() if name != "end_user_name"}
    event = UsageEvent.from_json(orjson.dumps({**first, "schema_version": 1}))
    assert (event.schema_version, event.end_user_name) == (1, None)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(field=st.sampled_from(sorted(orjson.loads(EVENT.to_json()))), value=json_values)
def test_any_value_in_any_field_is_an_event_or_refused_by_name(field: str, value: Any) -> None:
    with contextlib.suppress(UsageEventInvalid):
        assert UsageEvent.from_json(changed(**{field: value})).to_json()
