"""Usage and tier as a provider tells them where an answer comes in an odd way: they are in the ledger all the same."""

import json
from pathlib import Path

import pytest

from tests.integration.router.test_calls import PLAIN_OR_STREAM
from tests.integration.router.test_hostile_providers import WHOLE, answering, ask, error_of, head, router_before
from tests.servers import Certificates


async def test_a_whole_answer_in_place_of_a_stream_is_recorded_with_its_usage(
    certificates: Certificates, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    body = json.dumps({**WHOLE["openai"], "usage": usage}).encode()
    async with router_before(answering(head(is_stream=False), body), certificates, tmp_path) as router:
        assert error_of(await ask(router, "openai", stream=True)) == "upstream_error"
        (event,) = router.settled()
    assert (event.status, event.usage_source, event.model_served) == ("failed", "provider", WHOLE["openai"]["model"])
    assert (event.tokens.input_tokens, event.tokens.output_tokens) == (1000, 500)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of LiteLLM's own
@PLAIN_OR_STREAM
async def test_the_tier_and_the_caches_lifetime_come_through_litellm(
    stream: bool, certificates: Certificates, tmp_path: Path
) -> None:
    details = {"cache_write_tokens": 1000, "cache_creation_token_details": {"ephemeral_1h_input_tokens": 900}}
    told = {
        "service_tier": "priority",
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 1,
            "total_tokens": 1001,
            "prompt_tokens_details": details,
        },
    }
    if stream:
        chunk = {**WHOLE["openai"], "object": "chat.completion.chunk", "service_tier": "priority"}
        said = {"index": 0, "delta": {"content": "hi"}}, {"index": 0, "delta": {}, "finish_reason": "stop"}
        events = [*({**chunk, "choices": [one]} for one in said), {**chunk, **told, "choices": []}]
        body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events) + b"data: [DONE]\n\n"
    else:
        body = json.dumps({**WHOLE["openai"], **told}).encode()
    async with router_before(answering(head(is_stream=stream), body), certificates, tmp_path) as router:
        assert (await ask(router, "tail", stream=stream)).status == 200
        (event,) = router.settled()
    assert (event.status, event.usage_source, event.service_tier) == ("settled", "provider", "priority")
    assert (event.tokens.cache_write_5m_tokens, event.tokens.cache_write_1h_tokens) == (100, 900)
