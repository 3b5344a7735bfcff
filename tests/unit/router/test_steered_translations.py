"""What a client could steer LiteLLM by while it translates: to addresses, to other providers, to no end of work."""

import socket
import threading
import time
from typing import Any

import orjson
import pytest

import gateway_router.transports.litellm_http  # noqa: F401 - its audit hook is what is tested
from gateway_router.configuration import Provider
from gateway_router.dialects.anthropic import AnthropicTranslation
from gateway_router.dialects.dialect import ChatCall
from gateway_router.dialects.gemini import GeminiTranslation
from gateway_router.dialects.litellm_requests import translating_request
from gateway_router.dialects.litellm_wire import LitellmTranslation
from gateway_router.dialects.provider_errors import refusal
from gateway_shared.errors import BadRequest
from gateway_shared.settings import Secret

TRANSLATIONS = {
    "anthropic": (AnthropicTranslation, "anthropic", "claude-sonnet-4-5"),
    "google": (GeminiTranslation, "gemini", "gemini-2.5-flash"),
    "tail": (LitellmTranslation, "litellm", "some-model"),
}
EVERY_TRANSLATION = pytest.mark.parametrize("wire", TRANSLATIONS)


def translate(wire: str, *, litellm_name: str = "deepseek", model: str | None = None, **body: Any) -> Any:
    translation, kind, usual = TRANSLATIONS[wire]
    provider = Provider("p", kind, "https://api.example.com", Secret("sk-test"), "p", "p", litellm_name)  # type: ignore[arg-type]
    call = ChatCall(
        upstream_model=model or usual,
        stream=False,
        stream_options=None,
        relay_usage=False,
        rest=orjson.dumps({"messages": [{"role": "user", "content": "hi"}], **body}),
        completion_id="c",
        created_s=1,
    )
    return translation(call, provider)


@pytest.fixture
def dialled() -> Any:
    """How often somebody connected to an address that a client named."""
    connections: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                connection.close()
                connections.append(address)

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], connections
        over.set()
        thread.join()


@EVERY_TRANSLATION
@pytest.mark.parametrize(
    "spelling",
    [
        "http://{}/x", "HTTP://{}/x", " http://{}/x", "http:\n//{}/x", "ht\ntp://{}/x", "http:\t//{}/x",
        "http:/\r/{}/x", " " * 201 + "http://{}/x", "\x00http://{}/x", "http:\\\\{}/x", "http:/{}/x", "https:\n//{}/x", "data:http://{}/x",
        "\u200bhttp://{}/x", "gs://{}/x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", ["user", "tool"])
def test_no_spelling_of_an_address_is_fetched(wire: str, spelling: str, role: str, dialled: Any) -> None:
    port, connections = dialled
    address = spelling.format(f"127.0.0.1:{port}")
    called = {"role": "assistant", "tool_calls": [
        {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]}  # fmt: skip
    for part in (
        {"type": "image_url", "image_url": {"url": address}},
        {"type": "image_url", "image_url": address},
        {"type": "file", "file": {"file_id": address}},
        {"type": "file", "file": {"file_data": address}},
    ):
        before = [called] if role == "tool" else []
        asked = {"role": role, "content": [part], "tool_call_id": "t"}
        with pytest.raises(BadRequest, match="Send media as a data: URL"):
            translate(wire, messages=[{"role": "user", "content": "hi"}, *before, asked])
    assert connections == []


def test_media_that_come_along_and_plain_https_for_anthropic_are_taken() -> None:
    image = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    for wire in ("anthropic", "google"):
        translate(wire, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}])
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    request = translate("anthropic", messages=[{"role": "user", "content": [part]}]).request
    assert b"https://example.com/a.png" in request.body


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking", "thinking": "They ask about http://example.com/a", "signature": "s"},
        {"type": "refusal", "refusal": "I will not open http://example.com/a"},
    ],
)
def test_what_an_assistant_said_may_name_addresses(part: dict[str, Any]) -> None:
    said = {"role": "assistant", "content": [part, {"type": "text", "text": "http://example.com/b"}]}
    translate("anthropic", messages=[{"role": "user", "content": "hi"}, said, {"role": "user", "content": "go on"}])


@pytest.mark.parametrize(
    "source",
    [
        {"type": "text", "media_type": "text/plain", "data": "See http://example.com/a"},
        {"type": "content", "content": [{"type": "text", "text": "See http://example.com/a"}]},
        {"type": "url", "url": "https://example.com/a.pdf"},
    ],
)
def test_a_document_s_words_may_name_addresses(source: dict[str, Any]) -> None:
    part = {"type": "document", "source": source, "title": "About: http://example.com"}
    request = translate("anthropic", messages=[{"role": "user", "content": [part]}]).request
    assert b"example.com/a" in request.body


def test_a_document_at_an_address_that_is_not_plain_https_is_refused() -> None:
    for url in ("http://example.com/a.pdf", "https:\n//example.com/a.pdf"):
        part = {"type": "document", "source": {"type": "url", "url": url}}
        with pytest.raises(BadRequest, match="Send media"):
            translate("anthropic", messages=[{"role": "user", "content": [part]}])


def test_a_translation_dials_nobody(dialled: Any) -> None:
    port, connections = dialled
    with pytest.raises(BadRequest), translating_request():
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with pytest.raises(BadRequest), translating_request():
        socket.getaddrinfo("example.com", 443)
    assert connections == []
    socket.create_connection(("127.0.0.1", port), timeout=5).close()  # outside of one the router dials as it likes


def doubled(levels: int) -> dict[str, Any]:
    """A schema that is twice as large with each level, once its references are written out."""
    defs: dict[str, Any] = {
        f"d{level}": {"type": "object", "properties": {name: {"$ref": f"#/$defs/d{level + 1}"} for name in "ab"}}
        for level in range(levels)
    }
    return {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/d0"}},
        "$defs": {**defs, f"d{levels}": {"type": "string"}},
    }


@EVERY_TRANSLATION
def test_a_schema_that_is_endless_once_written_out_is_refused_at_once(wire: str) -> None:
    every = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{m}"} for m in range(12)]} for n in range(12)}
    for schema in (doubled(25), {"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": every}):
        tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
        form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        for asked in ({"tools": tools}, {"response_format": form}):
            began_s = time.process_time()
            with pytest.raises(BadRequest) as refused:
                translate(wire, **asked)
            assert refused.value.param == next(iter(asked))
            assert time.process_time() - began_s < 5


@EVERY_TRANSLATION
def test_a_schema_with_references_as_people_write_them_is_taken(wire: str) -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "value": {"type": "string"}}}
    schema = {"type": "object", "properties": {"list": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    for one in (schema, doubled(3)):
        translate(wire, tools=[{"type": "function", "function": {"name": "f", "parameters": one}}])


@pytest.mark.parametrize(
    "model",
    [
        "replicate/x",
        "a/replicate",
        "clarifai/x",
        "petals-team/StableBeluga2",
        "http://evil.example.com/a",
        "x\ny",
        "@evil/x",
    ],
)
def test_no_models_name_leads_to_another_provider(model: str) -> None:
    with pytest.raises(BadRequest) as refused:
        translate("tail", model=model)
    assert refused.value.param == "model"


def test_a_provider_is_called_by_its_own_models_names() -> None:
    translate("tail", litellm_name="replicate", model="meta/replicate-x")
    translate("tail", model="deepseek-ai/DeepSeek-V3.1:fp8@main")


def test_no_member_of_a_providers_error_tells_the_key() -> None:
    error = {name: f"{name} abcd-SECRET-key-1 {'x' * 1000}" for name in ("message", "type", "param", "code")}
    told = refusal(400, orjson.dumps({"error": error}), retry_after=None, secret="abcd-SECRET-key-1")
    for text in (str(told), told.type, told.param, told.code):
        assert text is not None
        assert "SECRET" not in text
    assert len(told.param or "") <= 256
