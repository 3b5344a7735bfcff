"""More than the edge takes, a router that takes no more, and a router that does not let this edge in."""

import asyncio

from gateway_edge.resources import BODIES
from gateway_shared.hop import OWN_ERROR
from gateway_shared.hop_server import HopAnswer, HopCall
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import CHAT, GOOD, Client, running_stack, total
from tests.integration.edge.stand_in_router import COMPLETION, StandInRouter
from tests.servers import Postgres

KEPT = 4


class Gate:
    """Its answers wait until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def answer(self, call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {"Content-Type": "application/json"})
        await self.opened.wait()
        await answer.write(COMPLETION)


async def reached(router: StandInRouter, calls: int) -> None:
    async with asyncio.timeout(10):
        while len(router.calls) < calls:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0.01)


async def posted(client: Client, key: str) -> int:
    async with client.post(key, dict(GOOD)) as answer:
        await answer.read()
        return int(answer.status)


async def test_what_is_beyond_the_bound_is_refused_while_the_rest_is_held_and_answered(
    edge_database: Postgres, api_keys: Keys
) -> None:
    gate = Gate()
    async with running_stack(edge_database, max_requests_in_flight=KEPT) as (client, router):
        router.answer = gate.answer
        held = [asyncio.create_task(posted(client, api_keys.gw)) for _ in range(KEPT)]
        await reached(router, KEPT)
        shed_before = total("gateway_edge_shed_requests_total")
        for _ in range(4 * KEPT):
            async with client.post(api_keys.gw, dict(GOOD)) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
                assert (await answer.json())["error"]["code"] == "overloaded"
                assert answer.headers["x-request-id"].startswith("req_")
        assert total("gateway_edge_shed_requests_total") == shed_before + 4 * KEPT
        async with client.get("/health") as health:
            assert health.status == 200
        assert len(router.calls) == KEPT
        assert not any(task.done() for task in held)
        gate.opened.set()
        assert await asyncio.gather(*held) == [200] * KEPT
        assert await posted(client, api_keys.gw) == 200


async def test_a_body_is_not_waited_for_when_there_is_no_room(edge_database: Postgres, api_keys: Keys) -> None:
    gate = Gate()
    async with running_stack(edge_database, max_requests_in_flight=1) as (client, router):
        router.answer = gate.answer
        held = asyncio.create_task(posted(client, api_keys.gw))
        await reached(router, 1)
        assert (await refusal_of_an_unsent_body(client, api_keys.gw, length=30_000_000)).startswith(b"HTTP/1.1 503 ")
        gate.opened.set()
        assert await held == 200


async def test_an_announced_body_that_has_no_room_beside_the_others_is_not_waited_for(
    edge_database: Postgres, api_keys: Keys
) -> None:
    async with running_stack(edge_database, max_body_bytes_in_flight=1_000_000) as (client, router):
        answer = await refusal_of_an_unsent_body(client, api_keys.gw, length=2_000_000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert router.calls == []


async def refusal_of_an_unsent_body(client: Client, key: str, *, length: int) -> bytes:
    """What comes back to a request's head alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b'"code":"overloaded"' in await reader.readuntil(b"}}")
    writer.transport.abort()
    return answer


async def test_answers_that_wait_for_slow_clients_are_bounded_together(edge_database: Postgres, api_keys: Keys) -> None:
    """Each is far more than the sockets on its way take."""
    large = b'{"choices":[],"text":"%s"}' % (b"x" * 24_000_000)

    async def complete(_call: HopCall, answer: HopAnswer) -> None:
        await answer.send(200, {"Content-Type": "application/json"}, large)

    async with running_stack(edge_database, max_body_bytes_in_flight=36_000_000) as (client, router):
        router.answer = complete
        bodies = client.edge.app[BODIES]
        async with client.post(api_keys.gw, dict(GOOD)) as waiting:
            assert waiting.status == 200  # and its body is not read
            async with client.post(api_keys.gw, dict(GOOD)) as refused:
                assert (refused.status, (await refused.json())["error"]["code"]) == (503, "overloaded")
            assert 20_000_000 < bodies.bytes_in_flight <= 24_000_100
            assert await waiting.read() == large
        async with asyncio.timeout(5):
            while bodies.bytes_in_flight:  # noqa: ASYNC110 - a number has no event
                await asyncio.sleep(0.01)
        assert await posted(client, api_keys.gw) == 200


async def test_an_overloaded_routers_refusal_is_the_clients(edge_database: Postgres, api_keys: Keys) -> None:
    gate = Gate()
    async with running_stack(edge_database) as (client, router):
        router.answer = gate.answer
        router.change_chat(max_open=1)
        held = asyncio.create_task(posted(client, api_keys.gw))
        await reached(router, 1)
        large = {**GOOD, "messages": [{"role": "user", "content": "x" * 900_000}]}
        async with client.post(api_keys.gw, large) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert OWN_ERROR not in answer.headers
            assert (await answer.json())["error"]["code"] == "overloaded"
        gate.opened.set()
        assert await held == 200


async def test_an_edge_that_the_router_refuses_answers_503_and_not_the_routers_no(
    edge_database: Postgres, api_keys: Keys
) -> None:
    async with running_stack(edge_database) as (client, router):
        router.change_chat(callers=frozenset({"billing"}))
        async with client.post(api_keys.gw, dict(GOOD)) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await answer.json())["error"]["code"] == "router_unavailable"
        assert router.calls == []
