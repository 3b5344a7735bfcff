"""The one credential of a request, out of its header fields (SECURITY: exactly one). Pure."""

from collections.abc import Sequence

from gateway_shared.errors import AuthenticationFailed, BadRequest

_SCHEME = "bearer"


class CredentialsAmbiguous(BadRequest):
    """More than one credential: it is not ours to choose."""

    default_message = "Send exactly one credential: either one Authorization header or one x-api-key header."


class CredentialMissing(AuthenticationFailed):
    """No credential, or one of a scheme other than Bearer."""

    default_message = "You did not provide an API key. Send it as: Authorization: Bearer <key>."


def credential_of(authorization: Sequence[str], x_api_key: Sequence[str]) -> str:
    """The key in the request's `Authorization` and `x-api-key` fields, each given as often as it occurs.

    Raises CredentialsAmbiguous or CredentialMissing.
    """
    if len(authorization) + len(x_api_key) > 1:
        raise CredentialsAmbiguous
    if x_api_key:
        key = x_api_key[0].strip()
    elif authorization:
        scheme, _, key = authorization[0].strip().partition(" ")
        key = key.strip() if scheme.lower() == _SCHEME else ""
    else:
        key = ""
    if not key:
        raise CredentialMissing
    return key
