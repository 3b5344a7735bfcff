"""From a request to its grant; every refusal is counted and answered alike for keys that are no good."""

import time
from collections.abc import Collection
from types import TracebackType

from aiohttp import hdrs, web

from gateway_edge import metrics
from gateway_edge.credential import CredentialMissing, CredentialsAmbiguous, credential_of
from gateway_edge.grant import Grant
from gateway_edge.key_format import KeyKind, digest_of, kind_of
from gateway_edge.key_limits import LimitReached
from gateway_edge.request_record import RECORD
from gateway_edge.resources import GRANTS, LIMITS, SETTINGS
from gateway_shared.errors import AuthenticationFailed, DatabaseUnavailable, GatewayError, PermissionDenied


class KeyMalformed(AuthenticationFailed):
    """Not a key of ours: its form or its checksum is wrong. The client sees the same as for an unknown one."""


_RESULTS: dict[type[GatewayError], metrics.AuthResult] = {
    CredentialMissing: "missing",
    CredentialsAmbiguous: "ambiguous",
    KeyMalformed: "malformed",
    AuthenticationFailed: "unknown",
    PermissionDenied: "wrong_kind",
    DatabaseUnavailable: "unavailable",
}


async def authenticate(request: web.Request, *, kinds: Collection[KeyKind]) -> Grant:
    """The grant of the request's one key, which has to be of one of `kinds`. Counts the operation, once.

    Raises CredentialsAmbiguous (400), AuthenticationFailed (401), PermissionDenied (403), DatabaseUnavailable (503).
    """
    result: metrics.AuthResult = "abandoned"
    try:
        grant = await identify(request, kinds=kinds)
        result = "ok"
        return grant
    except GatewayError as error:
        result = _RESULTS[type(error)]
        raise
    finally:
        metrics.count_authentication(result)


async def identify(request: web.Request, *, kinds: Collection[KeyKind]) -> Grant:
    """As `authenticate`, and not counted."""
    headers, app = request.headers, request.app
    key = credential_of(headers.getall(hdrs.AUTHORIZATION, []), headers.getall("x-api-key", []))
    if not key.isascii():
        raise KeyMalformed  # here already: a byte that is not UTF-8 has come as a lone surrogate, which has no digest
    digest = digest_of(key, app[SETTINGS].key_pepper.reveal_bytes())
    grant = app[GRANTS].verified(digest)  # what is there was well formed
    if grant is None:
        if kind_of(key) is None:
            raise KeyMalformed
        grant = await app[GRANTS].find(digest)
    if grant is None or grant.has_expired(now_unix_s=time.time()):
        raise AuthenticationFailed
    record = request[RECORD]
    record.tenant_id, record.key_id, record.channel = grant.tenant_id, grant.key_id, grant.channel
    if grant.kind not in kinds:
        raise PermissionDenied(f"A key of kind '{grant.kind}' may not call this address.")
    if grant.scopes:
        # fail-closed: this version makes no scoped keys and would not know what to withhold
        raise PermissionDenied("This key is limited to scopes that this gateway does not know.")
    return grant


class WithinLimits:
    """Holds one of the key's places in flight, however the block is left. Raises LimitReached (429) at its start."""

    __slots__ = ("_grant", "_limits", "_record")

    def __init__(self, request: web.Request, grant: Grant) -> None:
        self._limits, self._record, self._grant = request.app[LIMITS], request[RECORD], grant

    def __enter__(self) -> None:
        try:
            self._record.headers = self._limits.admit(self._grant, now_ns=time.monotonic_ns())
        except LimitReached as error:
            self._record.headers = dict(error.headers)
            metrics.LIMITED.labels(error.limit).inc()
            raise

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._limits.release(self._grant)
