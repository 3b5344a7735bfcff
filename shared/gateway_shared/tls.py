"""TLS contexts and peer identities: TLS 1.3, mutual, our authority only (SECURITY: mTLS between all parts).

Contexts follow their files (`tls_renewal`).

An identity is the name in the leaf's single URI name, `spiffe://<deployment>/svc/<name>`.
"""

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway_shared.tls_renewal import RenewedContext

_IDENTITY = re.compile(r"spiffe://(?P<deployment>[^/]+)/svc/(?P<name>[^/]+)")


class PeerRefused(Exception):
    """The peer has no identity that may be here; the text says why and is for the log only."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the authority that peers are checked against, and this part's own leaf and key."""

    ca_file: Path
    cert_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who a peer is and until when (Unix seconds) its certificate is good."""

    name: str
    expires_at_s: float


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections that we open; the server's host name is checked too."""
    context = RenewedContext(ssl.PROTOCOL_TLS_CLIENT)
    return _strict(context, files)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections that we accept; a client certificate is required and sessions are not resumed."""
    context = RenewedContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # a resumed session skips the check of the client's expiry
    return _strict(context, files)


def _strict(context: RenewedContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_and_follow(cert_file=files.cert_file, key_file=files.key_file, ca_file=files.ca_file)
    return context


def public_server_context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """For the edge's public port: clients bring an API key, not a certificate."""
    context = RenewedContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_and_follow(cert_file=cert_file, key_file=key_file)
    return context


def peer_identity(certificate: dict[str, Any] | None, *, deployment: str | None = None) -> PeerIdentity:
    """Reads the identity out of `SSLObject.getpeercert()`. Raises PeerRefused.

    Without `deployment` the authority alone stands for it: each deployment has its own.
    """
    if not certificate:
        raise PeerRefused("no client certificate")
    uris = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    if len(uris) != 1:
        raise PeerRefused(f"{len(uris)} URI names in the certificate, exactly one is needed")
    found = _IDENTITY.fullmatch(uris[0])
    if found is None or (deployment is not None and found["deployment"] != deployment):
        raise PeerRefused("the certificate's URI name is not of this deployment")
    return PeerIdentity(found["name"], ssl.cert_time_to_seconds(certificate["notAfter"]))


def certificate_expiry(cert_file: Path) -> datetime:
    """`notAfter` of a PEM certificate."""
    from cryptography import x509  # noqa: PLC0415 - only the processes that ask for it load it

    return x509.load_pem_x509_certificate(cert_file.read_bytes()).not_valid_after_utc.astimezone(UTC)


def connection_lifetime_s(files: TlsFiles, *, longest_s: float) -> float:
    """How long a connection that is made now may be kept, seconds: half of what our leaf has left at most.

    Nobody looks at expiry again on a connection that is there, so whoever opened it replaces it in time. One second
    at least, or a clock that is wrong would make the opener spin.
    """
    left_s = (certificate_expiry(files.cert_file) - datetime.now(UTC)).total_seconds()
    return max(1.0, min(longest_s, left_s / 2))
