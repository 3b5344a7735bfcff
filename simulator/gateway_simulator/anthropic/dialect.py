"""Anthropic's wire."""

from collections.abc import Mapping
from typing import Any

from gateway_simulator.anthropic.request import read_request
from gateway_simulator.anthropic.response import message_document, message_id
from gateway_simulator.anthropic.stream import message_frames
from gateway_simulator.conversation import Conversation
from gateway_simulator.dialect import Dialect, Envelope, data_event

_ERRORS = {
    400: ("invalid_request_error", "The request is invalid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out"),
    529: ("overloaded_error", "Overloaded"),
}


def anthropic_dialect() -> Dialect:
    return Dialect(
        name="anthropic",
        content_type="text/event-stream; charset=utf-8",
        key=_key,
        objection=_objection,
        read=_read,
        document=message_document,
        frames=message_frames,
        error=_error,
        error_frame=_error_frame,
        headers=_headers,
        response_id=message_id,
    )


def _key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    return headers.get("x-api-key", "").strip()


def _objection(headers: Mapping[str, str], query: Mapping[str, str], stream: bool) -> str | None:
    return None if headers.get("anthropic-version") else "anthropic-version: header is required"


def _read(body: dict[str, Any], model: str, stream: bool) -> Conversation:
    return read_request(body)


def _error(status: int, message: str | None, code: str | None, envelope: Envelope) -> dict[str, Any]:
    """`code` replaces the error's type: Anthropic has no other code."""
    kind, usual_message = _ERRORS.get(status, _ERRORS[500] if status >= 500 else _ERRORS[400])
    error = {"type": code or kind, "message": message or usual_message}
    return {"type": "error", "error": error, "request_id": _request_id(envelope)}


def _error_frame(envelope: Envelope) -> bytes:
    return data_event(_error(529, None, None, envelope), event="error")


def _headers(envelope: Envelope) -> dict[str, str]:
    return {
        "request-id": _request_id(envelope),
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
    }


def _request_id(envelope: Envelope) -> str:
    return f"req_01{envelope.token[:22]}"
