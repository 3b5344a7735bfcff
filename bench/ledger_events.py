"""Usage events as routers publish them, for the billing benchmark: of several providers, models, tenants, runs."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from gateway_shared.ids import uuid7
from gateway_shared.usage_event import TokenCounts, UsageEvent

_MODELS = (
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("anthropic", "claude-sonnet-4-20250514", "claude-sonnet-4-20250514"),
    ("google", "gemini-2.5-flash", "gemini-2.5-flash"),
)
_TENANTS = 40
_DURATION = timedelta(milliseconds=1500)


@dataclass(frozen=True, slots=True)
class Producer:
    """One router process's events, numbered from 1; `chance` makes two runs alike."""

    name: str
    chance: random.Random

    def messages(self, events: int, *, size: int) -> list[bytes]:
        """That many events in message bodies of `size` events."""
        lines = self.lines()
        sizes = [min(size, events - done) for done in range(0, events, size)]
        return [b"\n".join(islice(lines, count)) for count in sizes]

    def lines(self) -> Iterator[bytes]:
        sequence = 0
        while True:
            sequence += 1
            yield self._event(sequence, datetime.now(UTC)).to_json()

    def _event(self, sequence: int, ended_at: datetime) -> UsageEvent:
        chance = self.chance
        provider, asked, served = chance.choice(_MODELS)
        is_agents = chance.random() < 0.4
        run = f"run-{sequence // 20}" if is_agents else None
        input_tokens = chance.randint(50, 6000)
        output_tokens = chance.randint(1, 1200)
        started_at = ended_at - _DURATION
        return UsageEvent(
            event_id=str(uuid7(unix_ms=int(ended_at.timestamp() * 1000), random_bytes=chance.randbytes(10))),
            request_id="req_" + chance.randbytes(16).hex(),
            attempt=1,
            is_final=True,
            producer=self.name,
            sequence=sequence,
            tenant_id=f"tenant-{chance.randrange(_TENANTS)}",
            user_id=f"user-{chance.randrange(500)}",
            key_id=f"key-{chance.randrange(1000)}",
            plan_id="standard",
            channel="langchain" if is_agents else "standard",
            end_user=None,
            agent_id="researcher" if is_agents else None,
            agent_run_id=run,
            agent_parent_run_id=None,
            traceparent=f"00-{uuid.UUID(int=chance.getrandbits(128)).hex}-{chance.getrandbits(64):016x}-01",
            client_retry_count=0,
            endpoint="chat.completions",
            stream=chance.random() < 0.7,
            provider=provider,
            price_provider=provider,
            model_requested=asked,
            model_upstream=asked,
            model_served=served,
            service_tier="default" if provider == "openai" else None,
            started_at=started_at.isoformat(timespec="microseconds"),
            duration_us=_DURATION // timedelta(microseconds=1),
            time_to_first_token_us=350_000,
            http_status=200,
            status="settled",
            finish_state="complete",
            usage_source="provider",
            tokens=TokenCounts(
                input_tokens=input_tokens,
                cached_input_tokens=input_tokens // 3 if chance.random() < 0.3 else 0,
                output_tokens=output_tokens,
            ),
        )
