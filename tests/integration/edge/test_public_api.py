"""The public API from a client's side: answers, headers, what the router is told, what is counted."""

import orjson

from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import GOOD, running_stack
from tests.integration.edge.stand_in_router import COMPLETION
from tests.servers import Postgres


async def test_a_call_reaches_the_router_and_its_answer_the_client(edge_database: Postgres, api_keys: Keys) -> None:
    async with running_stack(edge_database) as (client, router), client.post(api_keys.gw) as answer:
        assert (answer.status, await answer.read()) == (200, COMPLETION)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-gateway-provider"] == "openai"
        assert answer.headers["x-ratelimit-limit-requests"] == "600"
        assert answer.headers["x-ratelimit-remaining-requests"] == "599"
        assert answer.headers["x-ratelimit-reset-requests"] == "100ms"
        assert answer.headers["x-request-id"] == router.heads[0].request_id
    (head,) = router.heads
    assert (head.model, head.stream, head.relay_usage, head.endpoint) == ("gpt-4o", False, False, "chat.completions")
    assert (head.caller.tenant_id, head.caller.user_id, head.caller.channel) == ("default", "alice", "standard")
    assert orjson.loads(router.calls[0].body) == {"messages": GOOD["messages"]}
