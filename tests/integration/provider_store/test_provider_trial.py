"""`POST /v1/providers/{provider}/test`: one metered call, and in whose words its result is told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway_router.configuration import Configuration
from gateway_router.public_address import Address
from gateway_shared.tls import public_server_context
from tests.integration.provider_store.api_rig import ApiRig, environment_at, open_api_rig
from tests.integration.router import http1_server
from tests.integration.router.dns_server import dns_server
from tests.integration.router.provider_clients import ANSWER
from tests.integration.router.router_rig import Simulator, listening, open_simulator
from tests.ports import free_ports
from tests.servers import Certificates, Postgres

KEY = "sk-secret-0123456789wxyz"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with open_simulator() as running:
        yield running


@pytest.fixture
async def api(
    certificates: Certificates, database: Postgres, tmp_path: Path, simulator: Simulator
) -> AsyncIterator[ApiRig]:
    async with open_api_rig(certificates, database, tmp_path, environment_at(simulator.url)) as rig:
        yield rig


async def trial_at(api: ApiRig, base_url: str, **members: Any) -> dict[str, Any]:
    """What the test of a provider at that address says."""
    body = {"name": "mine", "kind": "openai-compatible", "base_url": base_url, "api_key": KEY, "models": ["gpt-4o"]}
    added = await api.ask("add", body={**body, **members})
    assert added.status == 201, added.text
    answer = await api.ask("test", "mine")
    assert (answer.status, KEY in answer.text) == (200, False)
    result: dict[str, Any] = answer.json
    return result


async def test_one_small_call_is_made_and_is_in_the_ledger(api: ApiRig, simulator: Simulator) -> None:
    result = await trial_at(api, f"{simulator.url}/openai/v1")
    assert (result["ok"], result["result"], result["http_status"], result["model"]) == (True, "ok", 200, "gpt-4o")
    assert result["latency_ms"] > 0
    (event,) = api.settled()
    assert (event.provider, event.tenant_id, event.key_id, event.status) == ("mine", "default", "key-1", "settled")
    assert (event.tokens.input_tokens, event.tokens.output_tokens) == (result["input_tokens"], result["output_tokens"])
    assert len(await simulator.requests()) == 1


async def test_the_environments_providers_can_be_tested_too(api: ApiRig) -> None:
    assert (await api.ask("test", "openai", {"model": "gpt-4o"})).json["ok"] is True
    missing = await api.ask("test", "openai")
    assert (missing.status, missing.error["param"]) == (400, "model")
    assert (await api.ask("test", "nobody", {"model": "gpt-4o"})).status == 404


@pytest.mark.parametrize(
    ("status", "result"),
    [(401, "authentication_failed"), (404, "not_found"), (429, "rate_limited"), (400, "request_refused"),
     (500, "provider_failed"), (307, "redirect"), (200, "not_understood")],
)  # fmt: skip
async def test_a_provider_that_quotes_the_key_is_told_in_our_words(api: ApiRig, status: int, result: str) -> None:
    seen: list[web.Request] = []

    async def quote(request: web.Request) -> web.Response:
        seen.append(request)
        said = {"error": {"message": request.headers["Authorization"], "code": KEY, "type": KEY, "param": KEY}}
        headers = {"Location": f"http://127.0.0.1:1/{KEY}", "Retry-After": "0"} if status != 200 else {}
        return web.json_response(said, status=status, headers=headers)

    app = web.Application()
    app.router.add_post("/{path:.*}", quote)
    async with listening(web.AppRunner(app)) as url:
        told = await trial_at(api, url)
    assert (told["ok"], told["result"]) == (False, result)
    assert len(seen) == 1, "a test is one call"


async def test_each_key_can_be_tested(api: ApiRig) -> None:
    async def take_the_second(request: web.Request) -> web.Response:
        answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}]}
        is_second = request.headers["Authorization"] == f"Bearer {KEY}-2"
        return web.json_response(answer) if is_second else web.json_response({}, status=401)

    app = web.Application()
    app.router.add_post("/{path:.*}", take_the_second)
    async with listening(web.AppRunner(app)) as url:
        told = await trial_at(api, url, api_key=None, api_keys=[KEY, f"{KEY}-2"])
        assert (told["key_number"], told["result"]) == (0, "authentication_failed")
        told = (await api.ask("test", "mine", {"key_number": 1})).json
        assert (told["key_number"], told["result"]) == (1, "ok")


async def test_nobody_listens(api: ApiRig) -> None:
    (port,) = free_ports(1)
    told = await trial_at(api, f"http://127.0.0.1:{port}/v1")
    assert (told["ok"], told["result"], told["http_status"]) == (False, "not_reached", None)


async def test_a_name_that_comes_to_mean_this_machine_is_not_dialled_again(
    certificates: Certificates, database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registered when it was public: 127.0.0.2 stands for such an address, 127.0.0.1 is what must not be reached."""

    def stands_for_public(address: Address) -> bool:
        return str(address) == "127.0.0.2"

    monkeypatch.setattr("gateway_router.egress.is_public", stands_for_public)
    profile = replace(certificates.profile("router"), dns_names=("provider.test",))
    leaf = certificates.issue_odd("provider", profile)
    monkeypatch.setenv("SSL_CERT_FILE", str(leaf.ca_file))
    tls = public_server_context(leaf.cert_file, leaf.key_file)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    provider, target = http1_server.Server(head % len(ANSWER) + ANSWER, hangs_up=True), http1_server.Server()
    async with (
        dns_server() as dns,
        http1_server.listening(provider.serve, host="127.0.0.2", tls=tls) as port,
        http1_server.listening(target.serve, port=port),
        open_api_rig(certificates, database, tmp_path, Configuration()) as api,
    ):
        dns.answers["provider.test"] = [["127.0.0.2"], ["127.0.0.1"]]
        assert (await trial_at(api, f"https://provider.test:{port}/v1"))["result"] == "ok"
        told = (await api.ask("test", "mine")).json
        assert (told["ok"], told["result"], told["http_status"]) == (False, "not_reached", None)
        assert dns.asked.count("provider.test") == 4, "looked up for each trial, by A and by AAAA"
    assert (provider.connections, target.connections) == (1, 0)


async def test_of_anothers_tenant_the_asking_key_pays(api: ApiRig, simulator: Simulator) -> None:
    body = {"kind": "openai-compatible", "base_url": f"{simulator.url}/openai/v1", "api_key": KEY}
    await api.ask("add", body={**body, "name": "theirs", "tenant_id": "acme", "models": ["gpt-4o"]})
    assert (await api.ask("test", "theirs", tenant_id="acme")).json["ok"] is True
    assert [event.tenant_id for event in api.settled()] == ["default"]
