"""Certificates that are replaced on disk: the next handshake shows them, and no moment in between breaks one."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway_authority.authority import Authority, Credential
from gateway_authority.directory import issue_directory, read_credential, write_credential
from gateway_authority.profile import DEFAULT_DEPLOYMENT, role_profile
from gateway_shared.tls import TlsFiles, client_context, public_server_context, server_context

DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    issue_directory(
        tmp_path, deployment=DEFAULT_DEPLOYMENT, roles=["edge", "router"], now=datetime.now(UTC), lifetime=DAY
    )
    return tmp_path


def files(folder: Path, role: str) -> TlsFiles:
    return TlsFiles(folder / "ca.pem", folder / f"{role}.pem", folder / f"{role}.key")


def leaf(folder: Path, role: str) -> Credential:
    credential = read_credential(folder, "ca")
    assert credential is not None
    profile = role_profile(role, deployment=DEFAULT_DEPLOYMENT, now=datetime.now(UTC), lifetime=DAY)
    return Authority.load(credential).issue(profile)


def serial(certificate: bytes | None) -> int:
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number


def serials_shown(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[int, int]:
    """Of the client's and the server's certificate, after a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (client_end, server_end, client_end, server_end):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return serial(server_end.getpeercert(binary_form=True)), serial(client_end.getpeercert(binary_form=True))


def serial_on_disk(folder: Path, role: str) -> int:
    return x509.load_pem_x509_certificate((folder / f"{role}.pem").read_bytes()).serial_number


def test_both_ends_show_what_was_written_since(folder: Path) -> None:
    server, client = server_context(files(folder, "router")), client_context(files(folder, "edge"))
    first = serials_shown(server, client)
    for role in ("edge", "router"):
        write_credential(folder, role, leaf(folder, role))
    second = serials_shown(server, client)
    assert second == (serial_on_disk(folder, "edge"), serial_on_disk(folder, "router"))
    assert set(first).isdisjoint(second)


def test_while_half_of_a_pair_is_new_the_old_one_is_shown(folder: Path) -> None:
    server, client = server_context(files(folder, "router")), client_context(files(folder, "edge"))
    first = serials_shown(server, client)
    new = leaf(folder, "router")
    (folder / "router.key").write_bytes(new.key_pem)
    assert serials_shown(server, client) == first
    (folder / "router.pem").unlink()
    assert serials_shown(server, client) == first
    (folder / "router.pem").write_bytes(new.certificate_pem)
    assert serials_shown(server, client) == (first[0], serial_on_disk(folder, "router"))


def test_a_new_authority_is_trusted_once_it_stands_in_the_file(folder: Path) -> None:
    server, client = server_context(files(folder, "router")), client_context(files(folder, "edge"))
    other = Authority.create(DEFAULT_DEPLOYMENT, now=datetime.now(UTC))
    profile = role_profile("edge", deployment=DEFAULT_DEPLOYMENT, now=datetime.now(UTC), lifetime=DAY)
    write_credential(folder, "edge", other.issue(profile))
    with pytest.raises(ssl.SSLCertVerificationError):
        serials_shown(server, client)
    authorities = (folder / "ca.pem").read_bytes() + other.credential().certificate_pem
    (folder / "ca.pem").write_bytes(authorities)
    assert serials_shown(server, client)[0] == serial_on_disk(folder, "edge")


def test_the_public_port_follows_its_files_too(folder: Path) -> None:
    server = public_server_context(folder / "router.pem", folder / "router.key")
    client = client_context(files(folder, "edge"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    write_credential(folder, "router", leaf(folder, "router"))
    client_end = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (client_end, server_end, client_end):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert serial(client_end.getpeercert(binary_form=True)) == serial_on_disk(folder, "router")
