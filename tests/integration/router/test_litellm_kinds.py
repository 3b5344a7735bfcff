"""A kind that is not ours, by the name that LiteLLM has for it: called through its client, without a change of code."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from litellm.litellm_core_utils.litellm_logging import Logging
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

from gateway_router.configuration import Provider
from gateway_shared.settings import Secret
from tests.integration.router.router_rig import RouterRig, listening, open_rig
from tests.servers import Certificates

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "some-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
CONTENT = {"role": "assistant", "content": "Hi.", "refusal": None}
OLLAMA_S_OWN = {
    "model": "some-model",
    "created_at": "2026-11-24T03:00:00Z",
    "message": {"role": "assistant", "content": "Hi."},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 3,
    "eval_count": 2,
}


@pytest.fixture
async def server() -> AsyncIterator[tuple[list[web.Request], str]]:
    """What it was asked, and its address."""
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        await request.read()
        return web.json_response(OLLAMA_S_OWN if request.path.endswith("/api/chat") else ANSWER)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with listening(web.AppRunner(app, access_log=None, shutdown_timeout=0.1)) as url:
        yield asked, url


async def ask(router: RouterRig) -> dict[str, Any]:
    received = await router.call({"model": "mine/some-model", "messages": [{"role": "user", "content": "Hello"}]})
    assert received.status == 200, received.body
    answer: dict[str, Any] = json.loads(received.body)
    return answer


def registered(kind: str, url: str, key: str) -> dict[str, Provider]:
    return {"mine": Provider.of(kind, name="mine", api_key=Secret(key), base_url=f"{url}/v1")}


@pytest.mark.parametrize("kind", ["together_ai", "fireworks_ai", "xai", "perplexity", "openrouter", "nvidia_nim"])
async def test_a_kind_is_served_by_its_name_alone(
    kind: str, server: tuple[list[web.Request], str], certificates: Certificates, tmp_path: Path
) -> None:
    asked, url = server
    async with open_rig(certificates, tmp_path, registered(kind, url, "the-key")) as router:
        answer = await ask(router)
        [event] = router.settled()
    assert answer["choices"] == [{**ANSWER["choices"][0], "message": CONTENT, "logprobs": None}]
    assert [(request.path, request.headers["Authorization"]) for request in asked] == [
        ("/v1/chat/completions", "Bearer the-key")
    ]
    assert (event.provider, event.price_provider, event.tokens.input_tokens) == ("mine", kind, 3)


async def test_without_an_address_it_is_called_where_litellm_knows_it(
    server: tuple[list[web.Request], str], certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, url = server
    monkeypatch.setenv("XAI_API_BASE", f"{url}/known/to/litellm")
    mine = Provider.of("xai", name="mine", api_key=Secret("the-key"))
    async with open_rig(certificates, tmp_path, {"mine": mine}) as router:
        await ask(router)
    assert [request.path for request in asked] == ["/known/to/litellm/chat/completions"]


async def test_a_kind_of_another_format_is_translated_there_and_back(
    server: tuple[list[web.Request], str], certificates: Certificates, tmp_path: Path
) -> None:
    asked, url = server
    async with open_rig(certificates, tmp_path, registered("ollama_chat", url, "")) as router:
        answer = await ask(router)
        [event] = router.settled()
    assert [request.path for request in asked] == ["/v1/api/chat"]
    assert answer["choices"][0]["message"] == CONTENT
    assert (event.tokens.input_tokens, event.tokens.output_tokens, event.usage_source) == (3, 2, "provider")


async def test_litellm_does_nothing_more_once_a_call_is_over(
    server: tuple[list[web.Request], str],
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(Logging, "_success_handler_helper_fn", lambda *_, **__: done.append("prices looked up"))
    async with open_rig(certificates, tmp_path, registered("together_ai", server[1], "the-key")) as router:
        await ask(router)
        await GLOBAL_LOGGING_WORKER.flush()
    assert done == []


@pytest.mark.parametrize(
    ("kind", "variable"), [("lm_studio", "LM_STUDIO_API_KEY"), ("openai_like", "OPENAI_LIKE_API_KEY")]
)
async def test_without_a_key_none_of_this_process_s_environment_is_sent(
    kind: str,
    variable: str,
    server: tuple[list[web.Request], str],
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, url = server
    for name in (variable, "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "sk-of-this-process")
    async with open_rig(certificates, tmp_path, registered(kind, url, "")) as router:
        await ask(router)
    assert "sk-of-this-process" not in str([dict(request.headers) for request in asked])
