"""The development authority: what its leaves say, and that real TLS 1.3 handshakes hold them to it."""

import ssl
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway_authority.__main__ import main
from gateway_authority.authority import Authority
from gateway_authority.directory import issue_directory, read_credential, write_credential
from gateway_authority.profile import USAGES, LeafProfile, role_profile
from gateway_shared.tls import PeerRefused, TlsFiles, client_context, peer_identity, server_context

NOW = datetime.now(UTC)
DEPLOYMENT = "agent-gateway"
LIFETIME = timedelta(days=90)


def issue(directory: Path, **changes: object) -> list[str]:
    arguments: dict[str, object] = {"deployment": DEPLOYMENT, "roles": list(USAGES), "now": NOW, "lifetime": LIFETIME}
    return issue_directory(directory, **{**arguments, **changes})  # type: ignore[arg-type]


def files(directory: Path, name: str) -> TlsFiles:
    return TlsFiles(directory / "ca.pem", directory / f"{name}.pem", directory / f"{name}.key")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, *, host: str = "localhost") -> ssl.SSLObject:
    """Shakes hands in memory; returns the server's end, or raises what either end raised."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client.wrap_bio(to_client, to_server, server_hostname=host)
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (client_end, server_end, client_end, server_end):  # hello; answer; certificate; check
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert server_end.cipher() is not None, "the handshake is not finished"
    return server_end


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    issue(directory)
    return directory


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    credential = read_credential(directory, "ca")
    assert credential is not None
    return Authority.load(credential)


def test_a_router_knows_the_edge_by_its_identity_over_tls_1_3(directory: Path) -> None:
    server_end = handshake(server_context(files(directory, "router")), client_context(files(directory, "edge")))
    assert server_end.version() == "TLSv1.3"
    peer = peer_identity(server_end.getpeercert(), deployment=DEPLOYMENT)
    assert peer.name == "edge"
    assert abs(peer.expires_at_s - (NOW + LIFETIME).timestamp()) < 2


@pytest.mark.parametrize("role", USAGES)
def test_every_leaf_carries_its_role_and_only_the_usages_it_needs(directory: Path, role: str) -> None:
    leaf = x509.load_pem_x509_certificate((directory / f"{role}.pem").read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert leaf.subject.rfc4514_string() == f"CN={role}"
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://{DEPLOYMENT}/svc/{role}"]
    if "server" in USAGES[role]:
        assert names.get_values_for_type(x509.DNSName) == ["localhost", role]
        assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    oids = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {oid._name for oid in oids} == {f"{usage}Auth" for usage in USAGES[role]}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "postgres"])
def test_a_server_is_trusted_under_each_of_its_names(directory: Path, host: str) -> None:
    handshake(server_context(files(directory, "postgres")), client_context(files(directory, "billing")), host=host)


def test_a_server_is_not_trusted_under_another_name(directory: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(
            server_context(files(directory, "postgres")), client_context(files(directory, "edge")), host="rabbitmq"
        )


def odd_leaf(case: str) -> LeafProfile:
    edge = role_profile("edge", deployment=DEPLOYMENT, now=NOW, lifetime=LIFETIME)
    if case == "expired":
        return replace(edge, not_before=NOW - timedelta(days=2), not_after=NOW - timedelta(days=1))
    if case == "server-only usage":
        return replace(edge, usages=("server",))
    if case == "two URI names":
        return replace(edge, uris=(*edge.uris, f"spiffe://{DEPLOYMENT}/svc/operator"))
    if case == "CN only":
        return replace(edge, uris=(), dns_names=(), ip_addresses=())
    return replace(edge, uris=("spiffe://elsewhere/svc/edge",))


@pytest.mark.parametrize(
    ("case", "refusal"),
    [("expired", "certificate has expired"), ("server-only usage", "unsuitable certificate purpose")],
)
def test_a_bad_client_certificate_fails_the_handshake(
    directory: Path, authority: Authority, tmp_path: Path, case: str, refusal: str
) -> None:
    client = client_with(authority, odd_leaf(case), directory, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=refusal):
        handshake(server_context(files(directory, "router")), client)


@pytest.mark.parametrize("case", ["two URI names", "CN only", "another deployment"])
def test_a_client_without_one_uri_name_of_this_deployment_has_no_identity(
    directory: Path, authority: Authority, tmp_path: Path, case: str
) -> None:
    client = client_with(authority, odd_leaf(case), directory, tmp_path)
    server_end = handshake(server_context(files(directory, "router")), client)
    with pytest.raises(PeerRefused):
        peer_identity(server_end.getpeercert(), deployment=DEPLOYMENT)


def test_a_leaf_of_another_authority_is_refused(directory: Path, tmp_path: Path) -> None:
    client = client_with(Authority.create(DEPLOYMENT, now=NOW), odd_leaf("none"), directory, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_context(files(directory, "router")), client)


def client_with(authority: Authority, profile: LeafProfile, directory: Path, folder: Path) -> ssl.SSLContext:
    write_credential(folder, "odd", authority.issue(profile))
    return client_context(TlsFiles(directory / "ca.pem", folder / "odd.pem", folder / "odd.key"))


def test_keys_are_readable_by_their_owner_only(directory: Path) -> None:
    for key in directory.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(list(directory.glob("*.key"))) == len(USAGES) + 1


def test_issuing_again_changes_nothing(tmp_path: Path) -> None:
    assert issue(tmp_path) == ["ca", *USAGES]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert issue(tmp_path, now=NOW + timedelta(days=44)) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_leaf_past_half_its_life_or_broken_is_renewed_alone(tmp_path: Path) -> None:
    issue(tmp_path)
    issue(tmp_path, roles=["edge"], now=NOW + timedelta(days=46))
    (tmp_path / "router.key").write_bytes((tmp_path / "billing.key").read_bytes())
    (tmp_path / "postgres.pem").write_text("not a certificate")
    (tmp_path / "operator.key").unlink()
    assert issue(tmp_path) == ["router", "postgres", "operator"]


def test_another_deployment_or_a_lost_authority_renews_everything(tmp_path: Path) -> None:
    issue(tmp_path)
    assert issue(tmp_path, deployment="other") == ["ca", *USAGES]
    (tmp_path / "ca.key").unlink()
    assert issue(tmp_path, deployment="other") == ["ca", *USAGES]


def test_the_command_issues_the_named_roles_and_refuses_unknown_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["issue", "--directory", str(tmp_path), "edge"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"ca.pem", "ca.key", "edge.pem", "edge.key"}
    assert main(["issue", "--directory", str(tmp_path), "egde"]) == 2
    assert "no such role: egde" in capsys.readouterr().err
