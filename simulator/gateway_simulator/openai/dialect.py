"""OpenAI's wire, which Meta's Llama API speaks too."""

from collections.abc import Mapping
from typing import Any

from gateway_simulator.conversation import Conversation
from gateway_simulator.dialect import Dialect, Envelope, data_event
from gateway_simulator.openai.request import read_request
from gateway_simulator.openai.response import completion_document, completion_id
from gateway_simulator.openai.stream import chunk_frames

_ERRORS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request is invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Country or region not supported."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}


def openai_dialect(name: str) -> Dialect:
    """`name` is the provider that speaks it."""
    return Dialect(
        name=name,
        content_type="text/event-stream; charset=utf-8",
        key=_key,
        objection=_no_objection,
        read=_read,
        document=completion_document,
        frames=chunk_frames,
        error=_error,
        error_frame=_error_frame,
        headers=_headers,
        response_id=completion_id,
    )


def model_list(created_s: int) -> dict[str, Any]:
    """What `GET /models` answers; other names are accepted all the same."""
    names = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-mini", "o4-mini", "Llama-4-Scout-17B-16E-Instruct-FP8")
    models = [{"id": name, "object": "model", "created": created_s, "owned_by": "simulator"} for name in names]
    return {"object": "list", "data": models}


def _key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _no_objection(headers: Mapping[str, str], query: Mapping[str, str], stream: bool) -> str | None:
    return None


def _read(body: dict[str, Any], model: str, stream: bool) -> Conversation:
    return read_request(body)


def _error(status: int, message: str | None, code: str | None, envelope: Envelope) -> dict[str, Any]:
    """A 401 quotes pieces of the key, as OpenAI's does: a gateway must not pass that on."""
    kind, usual_code, usual_message = _ERRORS.get(status, _ERRORS[500] if status >= 500 else _ERRORS[400])
    if status == 401 and envelope.key:
        usual_message = f"Incorrect API key provided: {envelope.key[:4]}****{envelope.key[-4:]}."
    return {"error": {"message": message or usual_message, "type": kind, "param": None, "code": code or usual_code}}


def _error_frame(envelope: Envelope) -> bytes:
    return data_event(_error(500, None, None, envelope))


def _headers(envelope: Envelope) -> dict[str, str]:
    """With rate limits of the provider's own, which a gateway must not pass off as its client's."""
    return {
        "x-request-id": f"req_{envelope.token}",
        "openai-version": "2020-10-01",
        "openai-processing-ms": "1",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6ms",
    }
