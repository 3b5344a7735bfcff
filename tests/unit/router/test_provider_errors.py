from collections.abc import Callable

import orjson
import pytest

from gateway_router.dialects.provider_errors import event_refusal, masked, refusal
from gateway_shared.errors import ProviderAuthFailed


def _anthropic(type: str) -> object:
    return {"type": "error", "error": {"type": type, "message": "m"}}


def _gemini(status: str) -> object:
    return {"error": {"code": 400, "message": "m", "status": status}}


def refused(status: int, body: object, retry_after: str | None = None) -> dict[str, object]:
    error = refusal(status, orjson.dumps(body), retry_after=retry_after, secret="the-operators-key")
    return {**error.as_object(), "status": error.status, "retry_after_s": error.retry_after_s}


def test_openai_s_own_error_is_kept_in_every_member() -> None:
    said = {"message": "bad", "type": "invalid_request_error", "param": "tools", "code": "invalid_tool"}
    assert refused(400, {"error": said}) == {**said, "status": 400, "retry_after_s": None}
    without_code = {**said, "code": None}
    assert refused(404, {"error": without_code})["code"] is None


@pytest.mark.parametrize(
    ("status", "body", "expected_status", "type", "code"),
    [
        (404, _anthropic("not_found_error"), 404, "invalid_request_error", "model_not_found"),
        (529, _anthropic("overloaded_error"), 503, "service_unavailable", "overloaded"),
        (429, _gemini("RESOURCE_EXHAUSTED"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (400, [_gemini("INVALID_ARGUMENT")], 400, "invalid_request_error", None),
        (500, {"error": {"message": "m"}}, 500, "server_error", None),
        (422, {"detail": "m"}, 422, "invalid_request_error", None),
        (400, {"error": {"message": "m", "type": "t", "code": "tool_use_failed"}}, 400, "t", "tool_use_failed"),
        (
            404,
            {"error": {"message": "m", "code": "DeploymentNotFound"}},
            404,
            "invalid_request_error",
            "model_not_found",
        ),
        (
            400,
            {"object": "error", "message": "m", "type": "BadRequestError", "param": None, "code": 400},
            400,
            "BadRequestError",
            None,
        ),
    ],
)
def test_others_are_put_into_openai_s_shape(
    status: int, body: object, expected_status: int, type: str, code: str | None
) -> None:
    error = refused(status, body)
    assert (error["status"], error["type"], error["code"]) == (expected_status, type, code)


@pytest.mark.parametrize(
    "wrap", [lambda detail: detail, lambda detail: {"message": detail, "type": "t", "param": None}]
)
def test_the_fields_that_fastapi_refuses_are_named_without_their_values(wrap: Callable[[object], object]) -> None:
    first = {"type": "extra_forbidden", "loc": ["body", "x"], "msg": "not permitted", "input": "a secret"}
    error = refused(422, wrap({"detail": [first, {"loc": None, "msg": "odd"}, 7]}))
    assert error["message"] == "body.x: not permitted; None: odd"


@pytest.mark.parametrize("status", [401, 402, 403])
def test_what_is_about_the_operator_s_key_is_not_passed_on(status: int) -> None:
    error = refusal(status, b'{"error":{"message":"key sk-abc123456"}}', retry_after=None, secret="")
    assert isinstance(error, ProviderAuthFailed)
    assert (error.status, "sk-abc" in error.message) == (502, False)


@pytest.mark.parametrize(
    "body", [b"", b"<html>oh</html>", b"7", b"null", b'{"error":null}', b'{"error":{"message":5}}']
)
def test_an_answer_without_a_message_still_says_its_status(body: bytes) -> None:
    assert "500" in refusal(500, body, retry_after=None, secret="").message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_upstream_error(status: int) -> None:
    assert refused(status, {})["status"] == 502


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 3333404 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 1 + 2 > 3",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
        "This model's maximum context length is 4096 tokens.",
        "Please reduce the length of the messages or completion.",
    ],
)
def test_a_context_that_is_too_long_is_recognised_in_every_dialect(message: str) -> None:
    assert refused(400, {"error": {"message": message}})["code"] == "context_length_exceeded"
    assert (
        refused(400, {"error": {"message": message, "param": None, "code": None}})["code"] == "context_length_exceeded"
    )
    assert refused(500, {"error": {"message": message}})["code"] != "context_length_exceeded"


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("soon", None), ("-1", None), ("nan", None)])
def test_retry_after_in_seconds_is_kept(value: str, seconds: float | None) -> None:
    assert refused(429, {"error": {"message": "m"}}, value)["retry_after_s"] == seconds


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdef123456",
        "AIzaSyA-abcdefghij",
        "LLM|123456|abcdef",
        "Bearer abcdef123",
        "gsk_abcdefghij",
        "the-operators-key",
        "A1" * 24,
        "langchain-" + "a1B2" * 12,
    ],
)
def test_what_looks_like_a_key_is_masked(key: str) -> None:
    assert key not in masked(f"Key {key} is out", secret="the-operators-key")


@pytest.mark.parametrize(
    "text",
    [
        "Use langchain-openai",
        "projects/fake-project/locations/us-central1/models/gemini",
        "req_011CeCGmMJJGRCp7xgjqapmJ",
    ],
)
def test_ordinary_words_are_not(text: str) -> None:
    assert masked(text, secret="") == text


def test_a_message_has_at_most_two_kilobytes() -> None:
    assert len(masked("ä" * 5000, secret="").encode()) <= 2048


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"type": "overloaded_error", "message": "m"}, 503),
        ({"type": "rate_limit_error", "message": "m"}, 429),
        ({"code": 429, "message": "m"}, 429),
        ({"type": "api_error", "message": "m"}, 502),
        ({"type": "authentication_error", "message": "sk-x"}, 502),
        ("words", 502),
        ({"code": 7}, 502),
    ],
)
def test_an_error_event_has_a_status_too(error: object, status: int) -> None:
    assert event_refusal(error, secret="").status == status
