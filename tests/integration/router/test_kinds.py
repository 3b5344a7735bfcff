"""Every kind of provider by its documented exchanges: what we send is what it takes, what it says is what clients and
the ledger get. None of it was run against a live provider.
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway_router.kinds import KINDS
from gateway_shared.usage_event import TokenCounts
from tests.integration.router.documented import KEY, DocumentedProvider, Exchange, Json, load_exchanges
from tests.integration.router.router_rig import RouterRig, listening, open_rig
from tests.integration.router.test_calls import data_of
from tests.recordings import Received
from tests.servers import Certificates

EXCHANGES = load_exchanges()
WORKING = [exchange for exchange in EXCHANGES if exchange.said["status"] == 200]
ERRORS = [exchange for exchange in EXCHANGES if exchange.said["status"] != 200]
WITH_KEY = [exchange for exchange in WORKING if "unauthorized" in exchange.api and exchange.said["what"] == "plain"]
DOCUMENTATION = Path(__file__).parents[3] / "docs/providers.md"
DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")
FROM_MEMORY = "from memory: "
OF_OUR_TRANSPORT = {"host", "user-agent", "accept", "accept-encoding", "content-length"}


def named(exchange: Exchange) -> str:
    number = [one for one in EXCHANGES if one.file == exchange.file].index(exchange)
    return f"{exchange.file}-{exchange.said['what']}-{number}"


def is_dated(part: Json) -> bool:
    """Whether it is of a day: recorded, reported or read then."""
    return DAY.search(part["date"]) is not None and not part["date"].startswith(FROM_MEMORY)


def each(exchanges: list[Exchange]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("exchange", exchanges, ids=named)


@pytest.fixture
async def provider(exchange: Exchange) -> AsyncIterator[tuple[DocumentedProvider, str]]:
    speaking = DocumentedProvider(exchange)
    async with listening(web.AppRunner(speaking.app(), access_log=None, shutdown_timeout=0.1)) as url:
        yield speaking, url


@pytest.fixture
async def router(
    exchange: Exchange, provider: tuple[DocumentedProvider, str], certificates: Certificates, tmp_path: Path
) -> AsyncIterator[RouterRig]:
    async with open_rig(certificates, tmp_path, {exchange.kind: exchange.provider(provider[1])}) as rig:
        yield rig


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_an_exchange_of_each_sort(kind: str) -> None:
    sorts = {one.said["what"] for one in EXCHANGES if one.kind == kind}
    assert sorts == {"plain", "stream", "tools", "structured", "error"}


def test_every_exchange_says_where_it_is_from_and_of_when_or_that_it_is_from_memory() -> None:
    parts = [part for one in EXCHANGES for part in (one.api, one.said)]
    assert [part for part in parts if not part["source"].startswith("https://")] == []
    assert [part["date"] for part in parts if not (is_dated(part) or part["date"].startswith(FROM_MEMORY))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_dated_exchange_that_works(kind: str) -> None:
    assert [one for one in WORKING if one.kind == kind and is_dated(one.api) and is_dated(one.said)]


def test_the_documentation_s_table_says_of_which_kinds_something_is_from_memory() -> None:
    rows = [line.split("|") for line in DOCUMENTATION.read_text().splitlines() if line.endswith("| never |")]
    said = {row[1].strip(" `").replace("-", "_") for row in rows if "from memory" in row[8]}
    assert said == {one.kind for one in EXCHANGES if not (is_dated(one.api) and is_dated(one.said))}


@each(WORKING)
async def test_the_request_is_the_documented_one_field_by_field(
    exchange: Exchange, router: RouterRig, provider: tuple[DocumentedProvider, str]
) -> None:
    received = await router.call(exchange.asked())
    assert received.status == 200, received.body
    [request], [body] = provider[0].asked, provider[0].bodies
    assert (request.method, request.rel_url.raw_path, request.query_string) == (
        "POST",
        exchange.url.path,
        exchange.url.query,
    )
    headers = {name.lower(): value for name, value in request.headers.items()}
    more = {name: header["ours"] for name, header in exchange.said.get("more_headers", {}).items()}
    assert {name: headers[name] for name in headers if name not in OF_OUR_TRANSPORT} == exchange.api["headers"] | more
    expected = dict(exchange.said["sent"])
    for name, difference in exchange.said.get("differences", {}).items():
        assert body.get(name, "absent") != expected.pop(name, "absent"), name
        if "ours" in difference:
            expected[name] = difference["ours"]
    assert body == expected


@each(WORKING)
async def test_the_client_and_the_ledger_get_what_the_provider_says(exchange: Exchange, router: RouterRig) -> None:
    received = await router.call(exchange.asked())
    means = exchange.said["means"]
    if exchange.said["what"] == "stream":
        _judge_stream(received, means, asked=bool(exchange.asked().get("stream_options")))
    else:
        _judge_plain(received, means)
    [event] = router.settled()
    assert event.tokens == TokenCounts(**means["tokens"])
    assert (event.status, event.usage_source, event.finish_state) == ("settled", "provider", "complete")


def _judge_plain(received: Received, means: dict[str, Any]) -> None:
    answer = json.loads(received.body)
    [choice] = answer["choices"]
    assert choice["finish_reason"] == means["finish_reason"]
    if "text" in means:
        assert choice["message"]["content"] == means["text"]
    calls = choice["message"].get("tool_calls") or ()
    named_calls = [[call["function"]["name"], json.loads(call["function"]["arguments"])] for call in calls]
    assert named_calls == means.get("tool_calls", [])
    assert answer["usage"]["prompt_tokens"] == means["tokens"]["input_tokens"]
    assert answer["usage"]["completion_tokens"] == means["tokens"]["output_tokens"]


def _judge_stream(received: Received, means: dict[str, Any], *, asked: bool) -> None:
    *chunks, done = data_of(received)
    assert done == "[DONE]"
    pieces = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == means["text"]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert finishes == [means["finish_reason"]]
    told = [chunk["usage"]["completion_tokens"] for chunk in chunks if chunk.get("usage")]
    if asked and means.get("usage_is_relayed", True):
        assert told == [means["tokens"]["output_tokens"]]


@each(ERRORS)
async def test_an_error_is_the_provider_s_in_openai_s_shape(exchange: Exchange, router: RouterRig) -> None:
    received = await router.call(exchange.asked())
    means = exchange.said["means"]
    error = json.loads(received.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (received.status, error["code"], error["message"]) == (means["status"], means["code"], means["message"])
    assert received.headers.get("retry-after") == means.get("retry_after")
    [event] = router.settled()
    assert (event.status, event.http_status) == ("failed", exchange.said["status"])


@each(WITH_KEY)
async def test_a_key_that_the_provider_refuses_is_not_the_client_s_fault_and_not_shown(
    exchange: Exchange, provider: tuple[DocumentedProvider, str], certificates: Certificates, tmp_path: Path
) -> None:
    registered = {exchange.kind: exchange.provider(provider[1], key="another-key")}
    async with open_rig(certificates, tmp_path, registered) as router:
        received = await router.call(exchange.asked())
    assert (received.status, json.loads(received.body)["error"]["code"]) == (502, "provider_auth_failed")
    assert KEY.encode() not in received.body
    assert b"another-key" not in received.body
