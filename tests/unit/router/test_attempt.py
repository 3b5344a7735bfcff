"""What is written of an attempt is a usage event, whole and checked."""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace

import orjson
import pytest

from gateway_router.attempt import LOST, Attempt, AttemptRecord, Outcome, WrittenEvent
from gateway_router.configuration import Provider, Registration
from gateway_router.routing import Route
from gateway_shared.call_head import Caller, CallHead
from gateway_shared.settings import Secret
from gateway_shared.usage_event import TokenCounts, UsageEvent

HEAD = CallHead(
    request_id="req_1",
    endpoint="chat.completions",
    model="openai/gpt-4o",
    stream=True,
    stream_options=None,
    relay_usage=False,
    caller=Caller("tenant", "user", "key", "plan", "langchain"),
    end_user="eu_1",
    end_user_name="bob",
    agent_id="agent",
    agent_run_id="run \N{SNOWMAN}",
    agent_parent_run_id="parent",
    traceparent="00-1-1-00",
    retry_count=2,
)
PROVIDER = Provider("openai", "openai", "https://x", Secret("none"), "simulator", "openai", "openai")
ROUTE = Route(PROVIDER, "gpt-4o", Registration("openai", "openai", (PROVIDER,)))
ATTEMPT = Attempt("id-1", HEAD, ROUTE, "2026-11-23T20:00:00.000000Z", 100.0, 3, is_final=False)
OUTCOME = Outcome(
    "settled",
    "complete",
    "provider",
    TokenCounts(1, 2, 3, 4, 5, 6, 7, 8),
    http_status=200,
    model_served="gpt-4o-2024-08-06",
    service_tier="default",
    time_to_first_token_us=1234,
)
SETTLED = UsageEvent(
    event_id="id-1",
    request_id="req_1",
    attempt=3,
    is_final=False,
    producer="r/b",
    sequence=7,
    tenant_id="tenant",
    user_id="user",
    key_id="key",
    plan_id="plan",
    channel="langchain",
    end_user="eu_1",
    end_user_name="bob",
    agent_id="agent",
    agent_run_id="run \N{SNOWMAN}",
    agent_parent_run_id="parent",
    traceparent="00-1-1-00",
    client_retry_count=2,
    endpoint="chat.completions",
    stream=True,
    provider="simulator",
    price_provider="openai",
    model_requested="openai/gpt-4o",
    model_upstream="gpt-4o",
    model_served="gpt-4o-2024-08-06",
    service_tier="default",
    started_at="2026-11-23T20:00:00.000000Z",
    duration_us=2_500_000,
    time_to_first_token_us=1234,
    http_status=200,
    status="settled",
    finish_state="complete",
    usage_source="provider",
    tokens=OUTCOME.tokens,
)
NOTHING_HEARD = replace(
    SETTLED,
    sequence=1,
    duration_us=0,
    time_to_first_token_us=None,
    model_served=None,
    service_tier=None,
    http_status=0,
    status="unknown",
    finish_state="gateway_lost",
    usage_source="unknown",
    tokens=TokenCounts(),
)


class Written:
    """A journal that keeps what it is given."""

    producer = "r/b"

    def __init__(self) -> None:
        self.events: list[UsageEvent] = []

    def intent(self, record: WrittenEvent) -> None:
        assert record.event_id == "id-1"
        # one that left a member out would be read too, but slowly (gateway_billing.received_event)
        assert orjson.loads(record.to_json()).keys() == {field.name for field in fields(UsageEvent)}
        self.events.append(UsageEvent.from_json(record.to_json()))

    checkpoint = intent

    def settle(self, build: Callable[[str, int], WrittenEvent]) -> asyncio.Future[None]:
        self.intent(build(self.producer, 7))
        return asyncio.get_running_loop().create_future()


@pytest.fixture
def written() -> Written:
    return Written()


async def test_an_intent_says_who_asked_whom_and_that_nothing_was_heard(written: Written) -> None:
    AttemptRecord(ATTEMPT, written, lambda: 100.5).intent()
    assert written.events == [NOTHING_HEARD]


async def test_checkpoint_and_settle_say_how_it_went_so_far(written: Written) -> None:
    record = AttemptRecord(ATTEMPT, written, lambda: 102.5)
    record.checkpoint(OUTCOME)
    record.settle(OUTCOME)
    assert written.events == [replace(SETTLED, sequence=1), SETTLED]
    assert record.settled


async def test_a_clock_that_stood_still_makes_no_negative_duration(written: Written) -> None:
    AttemptRecord(ATTEMPT, written, lambda: 99.0).settle(LOST)
    assert written.events[0].duration_us == 0


async def test_an_attempt_is_the_final_one_until_another_takes_its_place(written: Written) -> None:
    record = AttemptRecord(replace(ATTEMPT, is_final=True), written, lambda: 102.5)
    record.intent()
    record.attempt.is_final = False
    record.settle(OUTCOME)
    assert [event.is_final for event in written.events] == [True, False]
    assert record.duration_s == 2.5
