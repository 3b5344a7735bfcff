"""An error as an HTTP answer in OpenAI's shape."""

import math

from aiohttp import hdrs, web

from gateway_shared.errors import AuthenticationFailed, BodyTooLarge, GatewayError, RequestTimedOut


def error_response(error: GatewayError) -> web.Response:
    """`error` as OpenAI's JSON; without the request id, which is added to every answer."""
    response = web.Response(status=error.status, body=error.body(), content_type="application/json")
    if error.retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, AuthenticationFailed):
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    if isinstance(error, BodyTooLarge | RequestTimedOut):
        response.force_close()  # the rest of the body is not read
    return response
