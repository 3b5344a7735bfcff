"""Google's Gemini API."""

from collections.abc import Mapping
from typing import Any

from gateway_simulator.dialect import Dialect, Envelope, data_event
from gateway_simulator.google.request import read_request
from gateway_simulator.google.response import content_document, response_id
from gateway_simulator.google.stream import content_frames

_ERRORS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "Your API key does not have permission to use the specified resource."),
    404: ("NOT_FOUND", "The model is not found for API version v1beta."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The request timed out."),
}


def google_dialect() -> Dialect:
    return Dialect(
        name="google",
        content_type="text/event-stream",
        key=_key,
        objection=_objection,
        read=read_request,
        document=content_document,
        frames=content_frames,
        error=_error,
        error_frame=_error_frame,
        headers=_headers,
        response_id=response_id,
    )


def _key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    return (headers.get("x-goog-api-key") or query.get("key") or "").strip()


def _objection(headers: Mapping[str, str], query: Mapping[str, str], stream: bool) -> str | None:
    """Google streams a JSON array without `alt=sse`; the simulator does not."""
    return "the simulator streams with alt=sse only" if stream and query.get("alt") != "sse" else None


def _error(status: int, message: str | None, code: str | None, envelope: Envelope) -> dict[str, Any]:
    """`code` replaces the error's status name."""
    name, usual_message = _ERRORS.get(status, _ERRORS[500] if status >= 500 else _ERRORS[400])
    return {"error": {"code": status, "message": message or usual_message, "status": code or name}}


def _error_frame(envelope: Envelope) -> bytes:
    return data_event(_error(503, None, None, envelope), newline=b"\r\n")


def _headers(envelope: Envelope) -> dict[str, str]:
    return {"server-timing": "gfet4t7; dur=1"}
