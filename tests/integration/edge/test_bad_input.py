"""Bad input gets the right status in OpenAI's error shape and never reaches the router."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from gateway_edge.key_format import make_key
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import CHAT, GOOD, LANGCHAIN_CHAT, Client, running_stack, total
from tests.integration.edge.stand_in_router import StandInRouter
from tests.servers import Postgres

LIMIT = 10_000


@dataclass(frozen=True)
class Bad:
    """`headers` may name a key's kind in braces: `Bearer {gw}`. `counted_as`: the authentication's result."""

    name: str
    status: int
    code: str
    counted_as: str | None = "ok"
    headers: tuple[tuple[str, str], ...] = (("Authorization", "Bearer {gw}"),)
    body: bytes = field(default=orjson.dumps(GOOD))
    path: str = CHAT
    method: str = "POST"
    param: str | None = None


def body(**changes: object) -> bytes:
    return orjson.dumps({**GOOD, **changes})


def header(name: str, value: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", "Bearer {gw}"), (name, value))


INVALID = "invalid_request_error"
CASES = [
    Bad("no key", 401, "invalid_api_key", "missing", ()),
    Bad("another scheme", 401, "invalid_api_key", "missing", (("Authorization", "Basic {gw}"),)),
    Bad("a wrong checksum", 401, "invalid_api_key", "malformed", (("Authorization", "Bearer gw-" + "a" * 49),)),
    Bad("a key never made", 401, "invalid_api_key", "unknown", (("Authorization", "Bearer {unknown}"),)),
    Bad("SQL for a key", 401, "invalid_api_key", "malformed", (("Authorization", "Bearer ' OR '1'='1"),)),
    Bad("a key that is not ASCII", 401, "invalid_api_key", "malformed", (("Authorization", "Bearer gw-é"),)),
    Bad("two Authorization headers", 400, INVALID, "ambiguous", (("Authorization", "Bearer {gw}"),) * 2),
    Bad("two kinds of header", 400, INVALID, "ambiguous", header("x-api-key", "{gw}")),
    Bad("a standard key for LangChain", 403, "permission_error", "wrong_kind", path=LANGCHAIN_CHAT),
    Bad("an admin key", 403, "permission_error", "wrong_kind", (("Authorization", "Bearer {admin}"),)),
    Bad("malformed JSON", 400, INVALID, body=b'{"model": "gpt-4o", '),
    Bad("no body", 400, INVALID, body=b""),
    Bad("not an object", 400, INVALID, body=b"[1]"),
    Bad("messages of the wrong type", 400, INVALID, body=body(messages="hello"), param="messages"),
    Bad("a field that moves the call elsewhere", 400, INVALID, body=body(api_base="http://x"), param="api_base"),
    Bad("too large an integer", 400, INVALID, body=body()[:-1] + b',"seed":18446744073709551616}', param="seed"),
    Bad("a body over the limit", 413, "body_too_large", body=b" " * (LIMIT + 1)),
    Bad("a compressed body", 415, "unsupported_media_type", headers=header("Content-Encoding", "gzip")),
    Bad("a body called identity", 415, "unsupported_media_type", headers=header("Content-Encoding", "identity")),
    Bad("a form", 415, "unsupported_media_type", headers=header("Content-Type", "application/x-www-form-urlencoded")),
    Bad("no such path", 404, "not_found", None, path="/v1/nothing"),
    Bad("a path that ends in a slash", 404, "not_found", None, path=CHAT + "/"),
    Bad("no such method", 405, "method_not_allowed", None, method="DELETE"),
    Bad("a host that is a path", 400, INVALID, None, headers=header("Host", "a/b?")),
]


@pytest.fixture
async def stack(edge_database: Postgres) -> AsyncIterator[tuple[Client, StandInRouter]]:
    async with running_stack(edge_database, max_body_bytes=LIMIT) as both:
        yield both


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_bad_input_is_refused_in_openais_shape(
    stack: tuple[Client, StandInRouter], api_keys: Keys, case: Bad
) -> None:
    client, router = stack
    headers = [(name, value.format(**_texts(api_keys))) for name, value in case.headers]
    if "Content-Type" not in dict(headers):
        headers.append(("Content-Type", "application/json"))
    before = total("auth_operations_total"), total("auth_operations_total", result=str(case.counted_as))
    url = f"http://127.0.0.1:{client.port}{case.path}"
    async with client.session.request(case.method, url, data=case.body, headers=headers) as answer:
        error = _openai_error(await answer.json())
    assert (answer.status, error["code"], error["param"]) == (case.status, case.code, case.param)
    assert answer.headers["x-request-id"].startswith("req_")
    assert (answer.status == 401) == ("www-authenticate" in answer.headers)
    assert (answer.status == 405) == ("allow" in answer.headers)
    assert router.calls == []
    counted = 0 if case.counted_as is None else 1
    assert total("auth_operations_total") - before[0] == counted
    assert total("auth_operations_total", result=str(case.counted_as)) - before[1] == counted


async def test_a_body_at_the_limit_is_read(stack: tuple[Client, StandInRouter], api_keys: Keys) -> None:
    client, router = stack
    async with client.post(api_keys.gw, body().ljust(LIMIT)) as answer:
        assert answer.status == 200
    assert len(router.calls) == 1


async def test_a_chunked_body_over_the_limit_is_refused_while_it_still_comes(
    stack: tuple[Client, StandInRouter], api_keys: Keys
) -> None:
    client, _ = stack
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LIMIT:
            sent += 1_000
            yield b" " * 1_000

    headers = {"Authorization": f"Bearer {api_keys.gw}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{client.port}{CHAT}"
    async with client.session.post(url, data=endless(), headers=headers) as answer:
        assert answer.status == 413


async def test_bodies_in_flight_have_a_budget(edge_database: Postgres, api_keys: Keys) -> None:
    async with running_stack(edge_database, max_body_bytes_in_flight=1_000) as (client, _):
        async with client.post(api_keys.gw, body().ljust(1_001)) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "overloaded")
        async with client.post(api_keys.gw) as answer:
            assert answer.status == 200


def _texts(api_keys: Keys) -> dict[str, str]:
    return {"gw": api_keys.gw, "admin": api_keys.admin, "unknown": make_key("gw", bytes(range(32)))}


def _openai_error(answer: Any) -> dict[str, Any]:
    assert set(answer) == {"error"}
    error: dict[str, Any] = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error
