"""`/v1/providers` at the edge: who may, what is passed on, and that a body is neither read nor kept."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway_shared import canonical_log
from gateway_shared.hop_server import HopAnswer, HopCall
from gateway_shared.provider_call import ProviderCall
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import Client, make_key, running_stack
from tests.integration.edge.stand_in_router import StandInRouter
from tests.servers import Postgres

CANARY = "sk-canary-0123456789"
NOT_EVEN_JSON = f'{{"api_key": "{CANARY}", '.encode()
CALLS = [
    ("GET", "", "list"),
    ("POST", "", "add"),
    ("GET", "/mine", "show"),
    ("PUT", "/mine", "replace"),
    ("DELETE", "/mine", "delete"),
    ("POST", "/mine/test", "test"),
    ("GET", "/routing", "show_routing"),
    ("PUT", "/routing", "replace_routing"),
]


async def answer_as_router(_call: HopCall, answer: HopAnswer) -> None:
    headers = {"Content-Type": "application/json", "ETag": '"7"', "Location": "/v1/providers/mine"}
    await answer.send(201, headers, b'{"object":"provider"}')


@pytest.fixture
async def stack(edge_database: Postgres) -> AsyncIterator[tuple[Client, StandInRouter]]:
    async with running_stack(edge_database) as (client, router):
        router.answer = answer_as_router
        yield client, router


def called(client: Client, method: str, path: str, key: str | None, data: bytes | None = None, **headers: str) -> Any:
    """A request to enter with `async with`; `headers` have `_` for `-`."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        fields.setdefault("Content-Type", "application/json")
    if key is not None:
        fields["Authorization"] = f"Bearer {key}"
    return client.session.request(
        method, f"http://127.0.0.1:{client.port}/v1/providers{path}", data=data, headers=fields
    )


def heads(router: StandInRouter) -> list[ProviderCall]:
    return [ProviderCall.from_json(call.head) for call in router.calls]


@pytest.mark.parametrize(("method", "path", "action"), CALLS)
async def test_every_route_is_passed_on_as_its_action(
    stack: tuple[Client, StandInRouter], api_keys: Keys, method: str, path: str, action: str
) -> None:
    client, router = stack
    data = None if method in ("GET", "DELETE") else NOT_EVEN_JSON
    async with called(client, method, path, api_keys.admin, data, If_Match='"6"') as response:
        assert (response.status, await response.read()) == (201, b'{"object":"provider"}')
        assert (response.headers["ETag"], response.headers["Location"]) == ('"7"', "/v1/providers/mine")
        assert response.headers["x-request-id"].startswith("req_")
    (head,) = heads(router)
    assert (head.action, head.if_match, head.is_operator) == (action, '"6"', True)
    assert head.provider == ("mine" if path.startswith("/mine") else None)
    assert router.calls[0].body == (data or b"")


@pytest.mark.parametrize(("method", "path", "_action"), CALLS)
async def test_only_an_admin_key_may(
    stack: tuple[Client, StandInRouter], api_keys: Keys, method: str, path: str, _action: str
) -> None:
    client, router = stack
    for key, status in ((api_keys.gw, 403), (api_keys.langchain, 403), (None, 401)):
        async with called(client, method, path, key) as response:
            assert response.status == status
    assert router.calls == []


async def test_another_tenants_admin_is_no_operator(
    stack: tuple[Client, StandInRouter], edge_database: Postgres
) -> None:
    client, router = stack
    key, _ = await make_key(edge_database, "admin", tenant="acme")
    async with called(client, "GET", "?tenant_id=acme", key) as response:
        assert response.status == 201
    (head,) = heads(router)
    assert (head.is_operator, head.caller.tenant_id, head.tenant_id) == (False, "acme", "acme")


@pytest.mark.parametrize("query", ["?tenant=acme", "?tenant_id=a&tenant_id=b", "?limit=1"])
async def test_a_parameter_that_is_not_known_is_refused(
    stack: tuple[Client, StandInRouter], api_keys: Keys, query: str
) -> None:
    client, router = stack
    async with called(client, "GET", query, api_keys.admin) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "tenant_id")
    assert router.calls == []


@pytest.mark.parametrize("announced", [True, False])
async def test_more_than_64_kib_is_not_taken(
    stack: tuple[Client, StandInRouter], api_keys: Keys, announced: bool
) -> None:
    client, router = stack
    largest = b" " * (64 * 1024)

    async def in_parts(data: bytes) -> AsyncIterator[bytes]:
        yield data

    for data, status in ((largest, 201), (largest + b" ", 413)):
        body: Any = data if announced else in_parts(data)
        async with called(client, "PUT", "/mine", api_keys.admin, body) as response:
            assert response.status == status
    assert len(router.calls) == 1


async def test_a_body_of_another_type_is_415(stack: tuple[Client, StandInRouter], api_keys: Keys) -> None:
    client, router = stack
    async with called(client, "POST", "", api_keys.admin, b"name=x", Content_Type="text/plain") as response:
        assert response.status == 415
    assert router.calls == []


async def test_a_provider_cannot_be_patched(stack: tuple[Client, StandInRouter], api_keys: Keys) -> None:
    client, _ = stack
    async with called(client, "PATCH", "/mine", api_keys.admin, b"{}") as response:
        assert response.status == 405


async def test_a_body_is_never_logged(
    stack: tuple[Client, StandInRouter],
    api_keys: Keys,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(canonical_log._lines, "lowest", logging.DEBUG)
    client, router = stack

    async def fail(_call: HopCall, _answer: HopAnswer) -> None:
        raise RuntimeError(CANARY)

    router.answer = fail
    async with called(client, "POST", "", api_keys.admin, NOT_EVEN_JSON) as response:
        assert (response.status, CANARY in await response.text()) == (500, False)
    with pytest.raises(aiohttp.ClientError):
        await broken_off(client, api_keys.admin)
    told = capfdbinary.readouterr()
    assert b'"route":"/v1/providers"' in told.out
    assert CANARY.encode() not in told.out + told.err


async def broken_off(client: Client, key: str) -> None:
    """A client that ends in the middle of its body."""

    async def some() -> AsyncIterator[bytes]:
        yield NOT_EVEN_JSON
        raise aiohttp.ClientError("gone")

    async with called(client, "POST", "", key, some()) as response:  # type: ignore[arg-type]
        await response.read()
