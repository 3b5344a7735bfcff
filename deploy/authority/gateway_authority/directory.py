"""The certificates folder: `ca.pem`, `ca.key`, and `<role>.pem`, `<role>.key` for every role.

Issuing again changes only what is missing, broken, of another deployment or authority, or past half
its life; so it runs at every start, and two starts in a row leave the same files.
"""

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway_authority.authority import Authority, Credential
from gateway_authority.profile import identity, role_profile

AUTHORITY_NAME = "ca"


def issue_directory(
    directory: Path, *, deployment: str, roles: Iterable[str], now: datetime, lifetime: timedelta
) -> list[str]:
    """Returns the names issued now (`ca` when the authority is new, which renews every role named)."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    issued: list[str] = []
    authority = _current_authority(directory, deployment, now)
    if authority is None:
        authority = Authority.create(deployment, now=now)
        write_credential(directory, AUTHORITY_NAME, authority.credential())
        issued.append(AUTHORITY_NAME)
    for role in roles:
        if not _is_current(directory, role, authority, deployment, now):
            profile = role_profile(role, deployment=deployment, now=now, lifetime=lifetime)
            write_credential(directory, role, authority.issue(profile))
            issued.append(role)
    return issued


def write_credential(directory: Path, name: str, credential: Credential) -> None:
    """Writes `<name>.key` (mode 0600) and then `<name>.pem`, each replaced whole."""
    _replace(directory / f"{name}.key", credential.key_pem, mode=0o600)
    _replace(directory / f"{name}.pem", credential.certificate_pem, mode=0o644)


def read_credential(directory: Path, name: str) -> Credential | None:
    """None when either file is missing."""
    try:
        return Credential((directory / f"{name}.pem").read_bytes(), (directory / f"{name}.key").read_bytes())
    except FileNotFoundError:
        return None


def _current_authority(directory: Path, deployment: str, now: datetime) -> Authority | None:
    credential = read_credential(directory, AUTHORITY_NAME)
    if credential is None:
        return None
    try:
        authority = Authority.load(credential)
    except ValueError:
        return None
    expected = Authority.subject_of(deployment)
    if authority.certificate.subject != expected or _is_past_half_life(authority.certificate, now):
        return None
    return authority


def _is_current(directory: Path, role: str, authority: Authority, deployment: str, now: datetime) -> bool:
    credential = read_credential(directory, role)
    if credential is None:
        return False
    try:
        certificate = x509.load_pem_x509_certificate(credential.certificate_pem)
        key = serialization.load_pem_private_key(credential.key_pem, password=None)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == certificate.public_key()
        and authority.has_issued(certificate)
        and names.get_values_for_type(x509.UniformResourceIdentifier) == [identity(role, deployment)]
        and not _is_past_half_life(certificate, now)
    )


def _is_past_half_life(certificate: x509.Certificate, now: datetime) -> bool:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= start + (end - start) / 2


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
    draft.replace(path)
