"""The error tree: one class is one HTTP status, one OpenAI `type` and one stable `code`.

    GatewayError
    ├── BadRequest                  400 invalid_request_error
    │   └── ContentFiltered         400 content_filter
    ├── AuthenticationFailed        401 invalid_api_key
    ├── QuotaExceeded               402 insufficient_quota
    ├── PermissionDenied            403 permission_error
    ├── NotFound                    404 not_found
    │   ├── ModelNotFound           404 model_not_found
    │   └── ProviderNotFound        404 provider_not_found
    ├── MethodNotAllowed            405 method_not_allowed
    ├── RequestTimedOut             408 request_timeout
    ├── Conflict                    409 conflict
    ├── VersionMismatch             412 version_mismatch
    ├── BodyTooLarge                413 body_too_large
    ├── UnsupportedMediaType        415 unsupported_media_type
    ├── RateLimitExceeded           429 rate_limit_exceeded (with retry_after_s)
    ├── ServerError                 500 server_error
    ├── UpstreamError               502 upstream_error
    │   └── ProviderAuthFailed      502 provider_auth_failed
    ├── ServiceUnavailable          503 overloaded (with retry_after_s)
    │   ├── Overloaded              503 overloaded (with retry_after_s)
    │   ├── NoProviderConfigured    503 no_provider_configured
    │   ├── RouterUnavailable       503 router_unavailable
    │   ├── DatabaseUnavailable     503 database_unavailable
    │   ├── JournalUnavailable      503 journal_unavailable
    │   └── CircuitOpen             503 circuit_open (with retry_after_s)
    ├── UpstreamTimeout             504 timeout
    └── ProviderRefused             the provider's own status and error, passed on

A message never holds a prompt or a key. Source of statuses and types: OpenAI's error guide.
"""

from typing import ClassVar

import orjson

JsonObject = dict[str, object]


class GatewayError(Exception):
    """What a caller is told when a request fails; `retry_after_s` becomes `Retry-After`."""

    status: int = 500
    type: str = "server_error"
    code: str | None = "server_error"
    default_message: ClassVar[str] = "The gateway failed to answer this request."
    is_of_the_process: ClassVar[bool] = False
    """Whether it tells of the process that raised it, so that another one may well answer."""

    def __init__(self, message: str = "", *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message or self.default_message)
        self.message = message or self.default_message
        self.param = param
        self.retry_after_s = retry_after_s

    def body(self) -> bytes:
        """OpenAI's error object, as JSON."""
        return orjson.dumps({"error": self.as_object()})

    def as_object(self) -> JsonObject:
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}


class BadRequest(GatewayError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_request_error"
    default_message = "The request is not valid."


class ContentFiltered(BadRequest):
    code = "content_filter"
    default_message = "The request was refused by the content filter."


class AuthenticationFailed(GatewayError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"
    default_message = "Incorrect API key provided."


class QuotaExceeded(GatewayError):
    status = 402
    type = "insufficient_quota"
    code = "insufficient_quota"
    default_message = "The budget of this key is used up."


class PermissionDenied(GatewayError):
    status = 403
    type = "permission_error"
    code = "permission_error"
    default_message = "This key may not do this."


class NotFound(GatewayError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"
    default_message = "There is nothing at this address."


class ModelNotFound(NotFound):
    code = "model_not_found"
    default_message = "The model does not exist or this key has no access to it."


class ProviderNotFound(NotFound):
    code = "provider_not_found"
    default_message = "There is no such provider."


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    default_message = "This address does not take this method."


class RequestTimedOut(GatewayError):
    status = 408
    type = "invalid_request_error"
    code = "request_timeout"
    default_message = "The request body did not arrive in time."


class Conflict(GatewayError):
    """What is there already stands against it."""

    status = 409
    type = "invalid_request_error"
    code = "conflict"
    default_message = "This cannot be done as things are."


class VersionMismatch(GatewayError):
    """`If-Match` names another version than the one that is there (RFC 9110, 13.1.1)."""

    status = 412
    type = "invalid_request_error"
    code = "version_mismatch"
    default_message = "It was changed meanwhile: read it again."


class BodyTooLarge(GatewayError):
    status = 413
    type = "invalid_request_error"
    code = "body_too_large"
    default_message = "The request body is larger than the limit."


class UnsupportedMediaType(GatewayError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"
    default_message = "Send the body as application/json, without a Content-Encoding."


class RateLimitExceeded(GatewayError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    default_message = "Rate limit reached for this key."


class ServerError(GatewayError):
    """A fault of ours; the cause is in the log under the request id."""

    is_of_the_process = True


class UpstreamError(GatewayError):
    status = 502
    type = "upstream_error"
    code = "upstream_error"
    default_message = "The provider's answer could not be used."


class ProviderAuthFailed(UpstreamError):
    """The provider refused the operator's credential; the client can do nothing about it."""

    code = "provider_auth_failed"
    default_message = "The provider refused the gateway's credentials."


class ServiceUnavailable(GatewayError):
    status = 503
    type = "service_unavailable"
    code = "overloaded"
    default_message = "The gateway cannot take this request now."


class Overloaded(ServiceUnavailable):
    """This process has as much in its hands as it takes."""

    is_of_the_process = True


class NoProviderConfigured(ServiceUnavailable):
    code = "no_provider_configured"
    default_message = (
        "No provider is configured. Set one of OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY"
        " or META_API_KEY for the router, or add one while it runs by POST /v1/providers."
    )


class RouterUnavailable(ServiceUnavailable):
    code = "router_unavailable"
    default_message = "The gateway's router cannot be reached."


class DatabaseUnavailable(ServiceUnavailable):
    code = "database_unavailable"
    default_message = "The gateway's database cannot be reached."


class JournalUnavailable(ServiceUnavailable):
    """The usage of a call cannot be written down, so no call is made: nothing is answered unbilled."""

    code = "journal_unavailable"
    is_of_the_process = True
    default_message = "The gateway cannot record usage now."


class CircuitOpen(ServiceUnavailable):
    """Most calls to the model's providers have failed of late, so none is made for a while."""

    code = "circuit_open"
    default_message = "The providers of this model are failing; it is tried again soon."


class UpstreamTimeout(GatewayError):
    status = 504
    type = "timeout"
    code = "timeout"
    default_message = "The provider did not answer in time."


class ProviderRefused(GatewayError):
    """A provider's error, passed on with its status, its message and its `Retry-After`."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,
        code: str | None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.status = status
        self.type = type
        self.code = code
