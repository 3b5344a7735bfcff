"""What one read of a provider brings goes to the client in one write, however many events it holds."""

import json
from pathlib import Path

import pytest

from gateway_shared.hop_server import HopAnswer
from tests.integration.router.test_calls import data_of, one_event, text_of
from tests.integration.router.test_hostile_providers import answering, ask, head, router_before
from tests.recordings import Received
from tests.servers import Certificates

WORDS = [f"word{number} " for number in range(20)]


def events(*documents: object) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(document).encode() for document in documents)


def openai_chunk(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def anthropic_delta(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


MIDDLES = {
    "openai": events(*[openai_chunk({"content": word}) for word in WORDS]),
    "anthropic": events(
        {"type": "message_start", "message": {"id": "m", "model": "m", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[anthropic_delta(word) for word in WORDS],
    ),
}
ENDS = {
    "openai": events(openai_chunk({}, "stop")) + b"data: [DONE]\n\n",
    "anthropic": events(
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}},
        {"type": "message_stop"},
    ),
}


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the router wrote to its clients, each write by itself."""
    written: list[bytes] = []
    put, write = HopAnswer.put, HopAnswer.write

    def noted_put(answer: HopAnswer, chunk: bytes) -> bool:
        is_put = put(answer, chunk)
        if is_put:
            written.append(chunk)
        return is_put

    async def noted_write(answer: HopAnswer, chunk: bytes) -> None:
        written.append(chunk)
        await write(answer, chunk)

    monkeypatch.setattr(HopAnswer, "put", noted_put)
    monkeypatch.setattr(HopAnswer, "write", noted_write)
    return written


@pytest.mark.parametrize("provider", MIDDLES)
async def test_the_events_of_one_read_are_one_write(
    provider: str, writes: list[bytes], certificates: Certificates, tmp_path: Path
) -> None:
    # small: one write of the provider's is one read of ours
    script = answering(head(is_stream=True) + MIDDLES[provider] + ENDS[provider])
    async with router_before(script, certificates, tmp_path) as router:
        received = await ask(router, provider, stream=True)
        assert one_event(router).status == "settled"
    assert text_of(data_of(received)) == "".join(WORDS)
    assert received.body == b"".join(writes)
    assert len(writes) == 2  # the last one waits until the call is on record
    assert text_of(data_of(Received(200, {}, writes[0]))) == "".join(WORDS)
