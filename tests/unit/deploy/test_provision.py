"""What the compose stack's first step leaves in the volumes of the roles."""

import runpy
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway_router.key_ring import read_key_ring

PROVISION = Path(__file__).parents[3] / "deploy" / "compose" / "provision.py"
NOW = datetime.now(UTC)
LIFETIME = timedelta(days=90)
ROLES = ("edge", "router", "billing", "rabbitmq", "postgres", "operator")

Provision = Callable[[datetime], list[str]]


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    for name in ("authority", *ROLES):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def provision(credentials: Path) -> Provision:
    function = runpy.run_path(str(PROVISION))["provision"]
    return lambda now: function(credentials, deployment="agent-gateway", now=now, lifetime=LIFETIME)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_role_gets_its_own_key_and_no_other(provision: Provision, credentials: Path) -> None:
    provision(NOW)
    secrets = {"edge": {"key_pepper"}, "router": {"provider_key_ring"}, "postgres": {"superuser_password"}}
    for role in ROLES:
        own = {"ca.pem", f"{role}.pem", f"{role}.key"} | secrets.get(role, set())
        assert set(contents(credentials / role)) == own


def test_keys_and_secrets_are_for_their_owner_only(provision: Provision, credentials: Path) -> None:
    provision(NOW)
    for path in ("edge/edge.key", "edge/key_pepper", "router/provider_key_ring", "postgres/postgres.key"):
        assert stat.S_IMODE((credentials / path).stat().st_mode) == 0o600


def test_the_pepper_is_long_and_of_its_own(provision: Provision, credentials: Path) -> None:
    provision(NOW)
    pepper = (credentials / "edge" / "key_pepper").read_text()
    assert len(pepper) >= 32
    assert pepper != (credentials / "postgres" / "superuser_password").read_text()


def test_the_routers_key_ring_has_a_key(provision: Provision, credentials: Path) -> None:
    provision(NOW)
    assert read_key_ring(credentials / "router" / "provider_key_ring").current_id == "k1"


def test_running_again_changes_nothing(provision: Provision, credentials: Path) -> None:
    provision(NOW)
    before = contents(credentials)
    assert provision(NOW) == []
    assert contents(credentials) == before


def test_certificates_past_half_their_life_are_renewed_and_the_pepper_stays(
    provision: Provision, credentials: Path
) -> None:
    provision(NOW)
    before = contents(credentials)
    assert set(provision(NOW + LIFETIME / 2)) == {*ROLES, "billing_reader"}
    after = contents(credentials)
    changed = {name for name in after if after[name] != before[name]}
    assert {f"{role}/{role}.pem" for role in ROLES} <= changed
    assert not changed & {"edge/key_pepper", "router/provider_key_ring", "postgres/superuser_password", "edge/ca.pem"}
