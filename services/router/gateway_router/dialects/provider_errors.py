"""A provider's error as an OpenAI client reads it. Pure (WIRE: errors).

Understood are OpenAI's `{"error": {message, type, param, code}}`, Anthropic's `{"type": "error",
"error": {type, message}}`, Gemini's `{"error": {code, message, status}}`, an error without the object
around it (vLLM, Mistral), and FastAPI's `{"detail": [{loc, msg}]}`, alone or as Mistral's message.
Nothing of a 401, 402 or 403 is passed on: those are about the operator's key and quote pieces of it.
"""

import re
from collections.abc import Mapping

import orjson

from gateway_shared.errors import GatewayError, ProviderAuthFailed, ProviderRefused, UpstreamError

MAX_MESSAGE_BYTES = 2048
MAX_FIELD_CHARACTERS = 256
CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"

_OPENAI_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    404: ("invalid_request_error", "model_not_found"),
    408: ("timeout", "timeout"),
    413: ("invalid_request_error", "body_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("service_unavailable", "overloaded"),
    504: ("timeout", "timeout"),
}
_STATUS_OF_TYPE: Mapping[object, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TOO_LONG = re.compile(
    r"prompt is too long|exceed(?:s|ed)? (?:the )?(?:model's )?(?:maximum )?context|context[_ ](?:length|window)"
    r"|input token count.{0,40}exceeds|maximum (?:context|prompt) length"
    r"|reduce the length of (?:the|your) (?:messages|prompt|input)"
    r"|too many (?:input )?tokens",
    re.IGNORECASE,
)
_KEY_SHAPED = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|ya29)[-_.][\w*.-]{6,}|\b(?:gw|langchain|admin)-[A-Za-z0-9]{20,}|\bAIza[\w*-]{6,}"
    r"|\bLLM\|[\w*|-]{6,}|\bBearer\s+\S{6,}|(?<![\w/-])(?=[A-Za-z_]*\d)\w{40,}(?![\w/-])"
)


def refusal(status: int, body: bytes, *, retry_after: str | None, secret: str) -> GatewayError:
    """The error for an answer with `status` of 300 or more; `secret` is masked wherever it may be quoted."""
    if status in (401, 402, 403):
        return ProviderAuthFailed()
    if status < 400:
        return UpstreamError("The provider answered with a redirect, which is not followed.")
    return _refused(503 if status == 529 else status, _error_of(body), secret, _seconds(retry_after))


def event_refusal(error: object, *, secret: str) -> GatewayError:
    """The error for an error event inside a stream that began well."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    status = _event_status(fields)
    if status in (401, 402, 403):
        return ProviderAuthFailed()
    return _refused(503 if status == 529 else status, fields, secret, None)


def masked(message: str, *, secret: str) -> str:
    """At most 2 KB, without the operator's key or anything that looks like one."""
    safe = _KEY_SHAPED.sub("***", message.replace(secret, "***") if secret else message)
    return safe.encode(errors="replace")[:MAX_MESSAGE_BYTES].decode(errors="ignore")


def _refused(status: int, error: Mapping[str, object], secret: str, retry_after_s: float | None) -> GatewayError:
    message = _text(error.get("message")) or _details(error) or f"The provider answered with status {status}."
    of_status = _OPENAI_ERRORS.get(status, ("invalid_request_error" if status < 500 else "server_error", None))
    is_openai = "param" in error or (isinstance(error.get("type"), str) and isinstance(error.get("code"), str))
    code = (_text(error.get("code")) if is_openai else None) or of_status[1]
    if status in (400, 413) and _TOO_LONG.search(message):
        code = CONTEXT_LENGTH_EXCEEDED
    if is_openai and "code" in error and error["code"] is None and code != CONTEXT_LENGTH_EXCEEDED:
        code = None
    return ProviderRefused(
        masked(message, secret=secret),
        status=status,
        type=_short(error.get("type") if is_openai else None, secret) or of_status[0],
        code=_short(code, secret),
        param=_short(error.get("param"), secret),
        retry_after_s=retry_after_s,
    )


def _event_status(error: Mapping[str, object]) -> int:
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return code
    return _STATUS_OF_TYPE.get(error.get("type")) or _STATUS_OF_TYPE.get(code) or 502


def _error_of(body: bytes) -> Mapping[str, object]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(answer, list) and answer:
        answer = answer[0]  # Gemini wraps a stream's error in a list
    error = answer.get("error", answer) if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {"message": error}


def _details(error: Mapping[str, object]) -> str | None:
    """What FastAPI says of each field that it refuses, without the values that were sent."""
    message = error.get("message")
    detail = (message if isinstance(message, dict) else error).get("detail")
    refused = [item for item in detail if isinstance(item, dict)] if isinstance(detail, list) else []
    return "; ".join(f"{_place(item.get('loc'))}: {item.get('msg')}" for item in refused) or _text(detail)


def _place(loc: object) -> str:
    return ".".join(str(part) for part in loc) if isinstance(loc, list) else str(loc)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _short(value: object, secret: str) -> str | None:
    text = _text(value)
    return masked(text, secret=secret)[:MAX_FIELD_CHARACTERS] if text else None


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` in seconds; its other form, a date, is not used by any provider known here."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
