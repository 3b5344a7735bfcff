"""Prepares what the containers of a deployment find when they start; the one-shot `certificates` runs it.

Each role's folder is a volume of its own, mounted in that role's containers only, so none can read
another's key. The authority's folder is mounted here only. Running again renews certificates past half
their life and changes nothing else.

Settings: DEPLOYMENT, CERTIFICATE_DAYS.
"""

import base64
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway_authority.directory import AUTHORITY_NAME, issue_directory, read_credential, write_credential
from gateway_authority.profile import DEFAULT_DEPLOYMENT, USAGES

CREDENTIALS = Path("/credentials")


def password() -> str:
    return secrets.token_urlsafe(32)


def key_ring() -> str:
    """A first key of 256 bits, as PROVIDER_KEY_RING_FILE holds them."""
    return f"k1 {base64.b64encode(secrets.token_bytes(32)).decode()}\n"


GENERATED_SECRETS: dict[str, tuple[str, Callable[[], str]]] = {
    "edge": ("key_pepper", password),
    "router": ("provider_key_ring", key_ring),
    # never used: no superuser comes in over the network, but the image wants a password to be set
    "postgres": ("superuser_password", password),
}
"""Random values made once, by the role that reads them: the file's name, and what makes its text."""


def provision(credentials: Path, *, deployment: str, now: datetime, lifetime: timedelta) -> list[str]:
    """Fills the folders in `credentials` that exist; returns the roles whose certificate is new."""
    authority = credentials / "authority"
    issued = issue_directory(authority, deployment=deployment, roles=USAGES, now=now, lifetime=lifetime)
    for role in USAGES:
        folder = credentials / role
        if folder.is_dir():
            _hand_over(authority, role, folder)
    for role, (name, make) in GENERATED_SECRETS.items():
        _make_once(credentials / role / name, make)
    return issued


def _hand_over(authority: Path, role: str, folder: Path) -> None:
    credential = read_credential(authority, role)
    assert credential is not None
    if read_credential(folder, role) != credential:
        write_credential(folder, role, credential)
    certificate = (authority / f"{AUTHORITY_NAME}.pem").read_bytes()
    trusted = folder / f"{AUTHORITY_NAME}.pem"
    if not trusted.exists() or trusted.read_bytes() != certificate:
        trusted.write_bytes(certificate)


def _make_once(path: Path, make: Callable[[], str]) -> None:
    if path.exists():
        return
    draft = path.with_name(f".{path.name}")
    draft.touch(mode=0o600)
    draft.write_text(make())
    draft.replace(path)


def main() -> None:
    issued = provision(
        CREDENTIALS,
        deployment=os.environ.get("DEPLOYMENT") or DEFAULT_DEPLOYMENT,
        now=datetime.now(UTC),
        lifetime=timedelta(days=int(os.environ.get("CERTIFICATE_DAYS") or 90)),
    )
    print(f"issued: {', '.join(issued)}" if issued else "every certificate is current")


if __name__ == "__main__":
    main()
