"""What a newcomer and the billing team see of a fresh compose stack."""

import json
import subprocess
import urllib.request

import pytest

from tests.compose.conversation import assert_answered_and_billed
from tests.compose.stack import ROOT, ComposeStack


def test_a_langchain_stream_is_answered_and_its_cost_read_with_psql_from_the_host(stack: ComposeStack) -> None:
    assert_answered_and_billed(stack)


@pytest.mark.parametrize("service", ["edge", "router", "billing"])
def test_each_service_says_that_it_is_well(stack: ComposeStack, service: str) -> None:
    with urllib.request.urlopen(f"{stack.credentials['ops_urls'][service]}/health", timeout=10) as response:
        health = json.load(response)
    assert (health["service"], health["status"]) == (service, "ok")
    assert set(health["checks"].values()) == {"ok"}


def test_the_routers_key_ring_opens_what_is_stored(stack: ComposeStack) -> None:
    assert stack.compose("exec", "-T", "router", "gateway", "rewrap").startswith("0 secrets wrapped anew")


def test_credentials_asked_for_again_are_the_same(stack: ComposeStack) -> None:
    before = stack.credentials
    stack.run("make", "--no-print-directory", "compose-credentials")
    assert stack.credentials == before


def test_the_billing_reader_changes_nothing(stack: ComposeStack) -> None:
    assert_psql_refused(stack, stack.credentials["postgres_dsn"], "read-only", sql="DELETE FROM billing.event")
    assert_psql_refused(stack, stack.credentials["postgres_dsn"], "denied", sql="SELECT * FROM edge.api_key")


@pytest.mark.parametrize(
    ("role", "parameters", "reason"),
    [
        ("billing_reader", "sslmode=require", "requires a valid client certificate"),
        ("billing_reader", "sslmode=disable", "no encryption"),
        ("operator", "", "certificate authentication failed"),
        ("postgres", "", "no pg_hba.conf entry"),
    ],
    ids=["no certificate", "plain text", "another role", "superuser"],
)
def test_psql_is_refused(stack: ComposeStack, role: str, parameters: str, reason: str) -> None:
    address, _, with_certificate = stack.credentials["postgres_dsn"].partition("?")
    dsn = f"{address.replace('billing_reader', role)}?{parameters or with_certificate}"
    assert_psql_refused(stack, dsn, reason)


def assert_psql_refused(stack: ComposeStack, dsn: str, reason: str, *, sql: str = "SELECT 1") -> None:
    done = subprocess.run(
        ["psql", "-X", "--no-password", dsn, "--command", sql],
        cwd=ROOT,
        env={**stack.environ, "HOME": str(stack.home)},  # no certificate of the caller's own
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode != 0
    assert reason in done.stderr
