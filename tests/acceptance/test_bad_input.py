"""Bad input gets the right status in OpenAI's error shape, and costs nothing."""

import io
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest

from tests.acceptance.ledger import Ledger
from tests.acceptance.metrics_text import total
from tests.acceptance.stack import Stack, get_json

GOOD: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}


@dataclass(frozen=True)
class Bad:
    """`keys` names entries of run.json, or gives the key itself."""

    name: str
    status: int
    code: str | None = None
    keys: tuple[str, ...] = ("standard_key",)
    path: str = "/v1/chat/completions"
    body: bytes = field(default=orjson.dumps(GOOD))
    headers: dict[str, str] = field(default_factory=dict)


def body(**changes: object) -> bytes:
    return orjson.dumps({**GOOD, **changes})


CASES = [
    Bad("no key", 401, "invalid_api_key", keys=()),
    Bad("a key that was never made", 401, "invalid_api_key", keys=("gw-" + "a" * 49,)),
    Bad("a standard key on the LangChain path", 403, keys=("standard_key",), path="/v1/langchain/chat/completions"),
    Bad("an admin key for a model", 403, keys=("admin_key",)),
    Bad("two Authorization headers", 400, keys=("standard_key", "langchain_key")),
    Bad("a model that nobody serves", 404, "model_not_found", body=body(model="no-such-model")),
    Bad("a provider that nobody registered", 404, "model_not_found", body=body(model="acme/gpt-4o")),
    Bad("malformed JSON", 400, body=b'{"model": "gpt-4o", '),
    Bad("not an object", 400, body=b"[1]"),
    Bad("messages of the wrong type", 400, body=body(messages="hello")),
    Bad("no messages", 400, body=body(messages=[])),
    Bad("a model of the wrong type", 400, body=body(model=7)),
    Bad("stream of the wrong type", 400, body=body(stream="yes")),
    Bad("a field that would move the call elsewhere", 400, body=body(api_base="http://127.0.0.1:1")),
    Bad(
        "an integer that JSON readers would bend", 400, body=orjson.dumps(GOOD)[:-1] + b',"seed":18446744073709551616}'
    ),
    Bad("a body over the limit", 413, body=b'{"model": "' + b"x" * (33 * 1024 * 1024) + b'"}'),
    Bad("a compressed body", 415, headers={"Content-Encoding": "gzip"}),
    Bad("a path that does not exist", 404, path="/v1/nothing"),
]


async def send(stack: Stack, case: Bad) -> tuple[int, dict[str, Any], str]:
    run = stack.run
    headers = [("Content-Type", "application/json"), *case.headers.items()]
    headers += [("Authorization", f"Bearer {run.get(key, key)}") for key in case.keys]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{stack.edge_url}{case.path}", data=io.BytesIO(case.body), headers=headers) as response,
    ):
        return response.status, await response.json(), response.headers.get("x-request-id", "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_bad_input_is_refused_in_openais_shape_and_leaves_no_event(
    stack: Stack, ledger: Ledger, case: Bad
) -> None:
    received_before = get_json(f"{stack.simulator_url}/simulator/stats")["received"]
    status, answer, request_id = await send(stack, case)
    assert status == case.status, answer
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["message"]
    if case.code:
        assert answer["error"]["code"] == case.code
    assert request_id.startswith("req_")
    assert get_json(f"{stack.simulator_url}/simulator/stats")["received"] == received_before
    assert await ledger.query("SELECT 1 FROM billing.attempts WHERE request_id = $1", request_id) == []


async def test_three_langchain_calls_two_standard_and_one_refused_are_counted_as_such(stack: Stack) -> None:
    before = stack.metrics()
    for key, path in [
        *[("langchain_key", "/v1/langchain/chat/completions")] * 3,
        *[("standard_key", "/v1/chat/completions")] * 2,
    ]:
        status, answer, _ = await send(stack, Bad("good", 200, keys=(key,), path=path))
        assert status == 200, answer
    refused, _, _ = await send(stack, Bad("refused", 401, keys=("gw-" + uuid.uuid4().hex,)))
    assert refused == 401
    after = stack.metrics()
    grown = {
        name: total(after, name) - total(before, name)
        for name in (
            "langchain_requests_total",
            "langchain_request_duration_seconds_count",
            "auth_operations_total",
        )
    }
    assert grown == {
        "langchain_requests_total": 3,
        "langchain_request_duration_seconds_count": 3,
        "auth_operations_total": 6,
    }
