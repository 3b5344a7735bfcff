"""What each service of the local stack is told, and what it is not."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from gateway_local.command import Command
from gateway_local.layout import Home
from gateway_local.ports import Ports
from gateway_local.services import PROVIDER_KEYS, Services

PORTS = Ports(*range(18_000, 18_010))


def services(environ: dict[str, str], folder: str = "/srv/state") -> Services:
    return Services(Home(Path(folder)), PORTS, environ)


def all_but_the_router(stack: Services) -> list[Command]:
    return [
        stack.edge(),
        stack.edge_command("migrate"),
        stack.billing(),
        stack.billing_command("migrate"),
        stack.simulator(),
    ]


@pytest.mark.parametrize("name", [*PROVIDER_KEYS, "OPENAI_API_KEY_FILE", "GROQ_API_KEY"])
def test_a_provider_key_reaches_the_router_and_nobody_else(name: str) -> None:
    stack = services({name: "canary"})
    assert stack.router().environment[name] == "canary"
    assert not any("canary" in command.environment.values() for command in all_but_the_router(stack))


def test_without_a_provider_key_the_simulator_answers_and_may_be_reached() -> None:
    stack = services({"EGRESS_ALLOW_HOSTS": "10.0.0.1:11434"})
    assert stack.is_simulated
    environment = stack.router().environment
    assert environment["SIMULATOR_URL"] == "http://127.0.0.1:18009"
    assert environment["EGRESS_ALLOW_HOSTS"] == "10.0.0.1:11434,127.0.0.1:18009"


@pytest.mark.parametrize("name", ["META_API_KEY", "GOOGLE_API_KEY_FILE"])
def test_with_a_provider_key_there_is_no_simulator(name: str) -> None:
    stack = services({name: "x"})
    assert not stack.is_simulated
    assert "SIMULATOR_URL" not in stack.router().environment


def test_the_users_settings_are_passed_on() -> None:
    passed = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "ABANDONED_STREAM": "drain", "DRAIN_S": "3"}
    environment = services(passed).router().environment
    assert passed.items() <= environment.items()


def test_what_a_shell_holds_for_another_project_does_not_reach_ours() -> None:
    stray = {
        "POSTGRES_DSN": "postgresql://elsewhere",
        "POSTGRES_DSN_FILE": "/x",
        "KEY_PEPPER": "other",
        "PYTHONPATH": "/y",
    }
    environment = services(stray).edge().environment
    assert environment["POSTGRES_DSN"] == "postgresql://edge@localhost:18005/gateway"
    assert environment["KEY_PEPPER_FILE"] == "/srv/state/secrets/key_pepper"
    assert not {"POSTGRES_DSN_FILE", "KEY_PEPPER", "PYTHONPATH"} & environment.keys()


def test_each_service_shows_its_own_certificate_and_commands_the_owners() -> None:
    stack = services({})
    for command, role in [
        (stack.edge(), "edge"),
        (stack.router(), "router"),
        (stack.billing(), "billing"),
        (stack.edge_command("migrate"), "operator"),
        (stack.router_command("migrate"), "operator"),
        (stack.billing_command("migrate"), "operator"),
    ]:
        assert command.environment["TLS_CERT_FILE"] == f"/srv/state/certificates/{role}.pem"
        assert command.environment["POSTGRES_DSN"] == f"postgresql://{role}@localhost:18005/gateway"


@pytest.mark.parametrize("service", ["edge", "router", "billing"])
def test_a_services_own_command_has_all_that_the_service_has(service: str) -> None:
    stack = services({"OPENAI_API_KEY": "x"})
    command = stack.own_command(service, "some", "command")
    served: Command = getattr(stack, service)()
    assert command.arguments == (*served.arguments, "some", "command")
    assert command.environment == {name: value for name, value in served.environment.items() if name != "DRAIN_S"}
    assert stack.owner_command(service, "migrate") == getattr(stack, f"{service}_command")("migrate")


@pytest.mark.parametrize(("environ", "value"), [({}, "1"), ({"EDGE_PUBLIC_METRICS": "0"}, "0")])
def test_metrics_are_open_on_loopback_unless_the_caller_says_otherwise(environ: dict[str, str], value: str) -> None:
    assert services(environ).edge().environment["EDGE_PUBLIC_METRICS"] == value


def test_only_the_router_is_told_where_the_key_ring_is() -> None:
    stack = services({})
    assert stack.router().environment["PROVIDER_KEY_RING_FILE"] == "/srv/state/secrets/provider_key_ring"
    assert not any("PROVIDER_KEY_RING_FILE" in command.environment for command in all_but_the_router(stack))


def test_a_libpq_uri_survives_odd_characters_in_the_path() -> None:
    uri = services({}, "/srv/my state & more").libpq_dsn("billing_reader")
    query = parse_qs(urlsplit(uri).query)
    assert query["sslcert"] == ["/srv/my state & more/certificates/billing_reader.pem"]
    assert query["sslmode"] == ["verify-full"]
    assert " " not in uri
