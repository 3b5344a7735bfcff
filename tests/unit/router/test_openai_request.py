"""What is sent to each kind that speaks OpenAI's wire; the documented exchanges are in the integration tests."""

import json
from typing import Any

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import ChatCall, UpstreamRequest
from gateway_router.dialects.openai_request import openai_request
from gateway_shared.settings import Secret


def request_to(
    kind: str, rest: bytes = b"{}", *, url: str | None = None, key: str = "k", **more: Any
) -> UpstreamRequest:
    call = ChatCall(more.get("model", "m"), bool(more.get("stream")), more.get("options"), True, rest, "id", 1)
    return openai_request(call, Provider.of(kind, name=kind, api_key=Secret(key), base_url=url))


def test_without_a_key_no_header_is_sent() -> None:
    assert set(request_to("ollama", key="", url="http://127.0.0.1:11434").headers) == {"Content-Type"}


def test_a_deployment_s_name_stays_one_part_of_the_path() -> None:
    request = request_to("azure", model="a/../b?c", url="https://r.openai.azure.com/openai")
    assert request.url == (
        "https://r.openai.azure.com/openai/deployments/a%2F..%2Fb%3Fc/chat/completions?api-version=2024-10-21"
    )


def test_the_client_s_bytes_stay_untouched_where_nothing_has_another_name() -> None:
    rest = b'{"messages":[],  "max_tokens":1e2}'
    assert request_to("mistral", rest).body == b'{"model":"m",' + rest[1:]
    assert request_to("groq", b'{"max_completion_tokens": 3}').body == b'{"model":"m","max_completion_tokens": 3}'


def test_a_parameter_has_the_provider_s_name_and_the_newer_of_two_counts() -> None:
    body = json.loads(request_to("deepseek", b'{"max_tokens":9,"max_completion_tokens":5,"n":1}').body)
    assert body == {"model": "m", "max_tokens": 5, "n": 1}


def test_null_is_no_value_for_another_name() -> None:
    assert json.loads(request_to("mistral", b'{"seed":null,"user":"u"}').body) == {"model": "m"}


def test_a_word_in_a_message_is_no_parameter() -> None:
    rest = b'{"messages":[{"role":"user","content":"\\"seed\\""}],"stop":["user"]}'
    assert json.loads(request_to("mistral", rest).body) == {"model": "m", **json.loads(rest)}


def test_who_takes_no_stream_options_is_sent_none_even_if_the_client_wrote_them() -> None:
    request = request_to("mistral", stream=True, options={"include_usage": True})
    assert json.loads(request.body) == {"model": "m", "stream": True}
    assert json.loads(request_to("groq", stream=True).body)["stream_options"] == {"include_usage": True}
