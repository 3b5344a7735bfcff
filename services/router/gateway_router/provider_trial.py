"""One tiny call to a provider, to see whether it works: through the guard, the transport and the journal of every call.

It costs a few tokens, so it is in the ledger as any other call, under the admin key that asked for it.
"""

from asyncio import Future
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import orjson

from gateway_router.attempt import Journal, WrittenEvent
from gateway_router.calls import ChatCalls
from gateway_router.configuration import Configuration, FixedDirectory, Registration
from gateway_router.provider_request import TrialRequest
from gateway_router.provider_verdict import MESSAGES, result_of
from gateway_router.resilience import Resilience
from gateway_router.retry_policy import RetryPolicy
from gateway_shared.call_head import CallHead
from gateway_shared.errors import BadRequest, JsonObject, ServiceUnavailable
from gateway_shared.hop import CHAT_COMPLETIONS
from gateway_shared.hop_server import HopCall
from gateway_shared.provider_call import ProviderCall
from gateway_shared.usage_event import UsageEvent

TRIAL_TIMEOUT_S = 30.0
MAX_TOKENS = 16
"""Of the answer; less is refused by some."""


@dataclass(frozen=True, slots=True)
class ProviderTrial:
    """`calls` are those of this worker: a trial is one of them, but for the directory."""

    calls: ChatCalls

    async def __call__(self, call: ProviderCall, registration: Registration, asked: TrialRequest) -> JsonObject:
        """Raises BadRequest where nobody says which model, and what the gateway itself has against a call."""
        model = asked.model or _model_of(registration)
        heard = _HeardJournal(self.calls.journal)
        # alone, and for whoever asks: a test of it is none of another provider
        ways = registration.ways[asked.key_number : asked.key_number + 1]
        alone = Configuration(registrations=(replace(registration, tenant_id=None, ways=ways),))
        limits = replace(self.calls.limits, call_s=TRIAL_TIMEOUT_S, drains_abandoned=False)
        calls = replace(
            self.calls,
            directory=FixedDirectory(alone),
            journal=heard,
            limits=limits,
            resilience=Resilience(RetryPolicy(max_attempts=1)),
        )
        await calls.serve(HopCall(_head(call, registration, model).to_json(), _body(registration)), _Unread())
        if not heard.events:
            raise ServiceUnavailable("The call could not be made now.")
        *_, event = heard.events.values()
        result = result_of(event)
        return {
            "object": "provider.test",
            "provider": registration.name,
            "tenant_id": registration.tenant_id,
            "model": model,
            "key_number": asked.key_number,
            "ok": result == "ok",
            "result": result,
            "message": MESSAGES[result],
            "http_status": event.http_status or None,
            "latency_ms": round(event.duration_us / 1000, 1),
            "attempts": len(heard.events),
            "input_tokens": event.tokens.input_tokens,
            "output_tokens": event.tokens.output_tokens,
        }


class _HeardJournal:
    """The journal, and how the attempts of one call ended, by `event_id`."""

    def __init__(self, journal: Journal) -> None:
        self.producer = journal.producer
        self.events: dict[str, UsageEvent] = {}
        self._journal = journal

    def intent(self, record: WrittenEvent) -> None:
        self._journal.intent(record)

    def checkpoint(self, record: WrittenEvent) -> None:
        self._journal.checkpoint(record)

    def settle(self, build: Callable[[str, int], WrittenEvent]) -> Future[None]:
        def build_and_keep(producer: str, sequence: int) -> WrittenEvent:
            record = build(producer, sequence)
            self.events[record.event_id] = UsageEvent.from_json(record.json)
            return record

        return self._journal.settle(build_and_keep)


class _Unread:
    """What the provider answers goes nowhere."""

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """See `client.Answer`."""

    async def write(self, chunk: bytes) -> None:
        """See `client.Answer`."""

    def put(self, chunk: bytes) -> bool:  # noqa: ARG002
        return True

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """See `client.Answer`."""


def _model_of(registration: Registration) -> str:
    """The first that its registration names without a pattern."""
    named = [model for model in (*registration.models, *registration.aliases) if "*" not in model]
    if not named:
        raise BadRequest(
            'Say which model to ask for, {"model": "..."}: the provider is registered without the name of one.',
            param="model",
        )
    return named[0]


def _head(call: ProviderCall, registration: Registration, model: str) -> CallHead:
    return CallHead(
        request_id=call.request_id,
        endpoint=CHAT_COMPLETIONS,
        model=f"{registration.name}/{model}",
        stream=False,
        stream_options=None,
        relay_usage=False,
        caller=call.caller,
    )


def _body(registration: Registration) -> bytes:
    # OpenAI's newer models take the one, servers of others' the other
    limit = "max_completion_tokens" if registration.kind in ("openai", "azure") else "max_tokens"
    return orjson.dumps({"messages": [{"role": "user", "content": "Say OK."}], limit: MAX_TOKENS})
