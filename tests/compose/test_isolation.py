"""What a container may do, may read and may reach."""

import pytest

from tests.compose.stack import SERVICES, ComposeStack

PUBLISHED = {
    "edge": {"8080/tcp", "9080/tcp"},
    "router": {"9081/tcp"},
    "billing": {"9082/tcp"},
    "postgres": {"5432/tcp"},
    "rabbitmq": set[str](),
    "simulator": set[str](),
}
OUR_SERVICES = ("edge", "router", "billing", "simulator")

FILES = """
from pathlib import Path
print(*sorted(str(path.relative_to("/credentials")) for path in Path("/credentials").rglob("*") if path.is_file()))
"""
WRITE = """
import errno
try:
    open("/app/written", "w")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
CONNECT = """
import socket
for host, port in {targets}:
    try:
        socket.create_connection((host, port), 3).close()
    except OSError as error:
        print(host, port, type(error).__name__)
    else:
        print(host, port, "connected")
"""
PLAIN_GREETING = """
import socket
with socket.create_connection(("rabbitmq", 5671), 3) as connection:
    connection.sendall(b"AMQP\\0\\0\\x09\\x01")
    answer = connection.recv(100)
print(answer[:1] == b"\\x01", b"AMQP" in answer)
"""


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_runs_without_privileges(stack: ComposeStack, service: str) -> None:
    details = stack.inspect(service)
    host = details["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert not host["Privileged"]
    titles, *processes = stack.run("docker", "top", details["Id"], "-eo", "uid,pid").splitlines()
    assert titles.split()[0] == "UID"
    assert {line.split()[0] for line in processes} == {"999"}


@pytest.mark.parametrize("service", OUR_SERVICES)
def test_a_container_cannot_change_its_own_program(stack: ComposeStack, service: str) -> None:
    assert stack.python(service, WRITE).strip() in ("EROFS", "EACCES")


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback_only(stack: ComposeStack, service: str) -> None:
    bindings = stack.inspect(service)["HostConfig"]["PortBindings"] or {}
    assert set(bindings) == PUBLISHED[service]
    assert {each["HostIp"] for binding in bindings.values() for each in binding} <= {"127.0.0.1"}


@pytest.mark.parametrize("service", ["edge", "router", "billing"])
def test_a_container_sees_no_key_but_its_own(stack: ComposeStack, service: str) -> None:
    own = {f"{service}/{name}" for name in ("ca.pem", f"{service}.pem", f"{service}.key")}
    secrets = {"edge": {"edge/key_pepper"}, "router": {"router/provider_key_ring"}}
    assert set(stack.python(service, FILES).split()) == own | secrets.get(service, set())


def test_the_broker_listens_for_amqp_over_tls_only(stack: ComposeStack) -> None:
    targets = [("rabbitmq", port) for port in (5671, 5672, 15672, 15692, 25672, 4369)]
    answers = stack.python("router", CONNECT.format(targets=targets)).splitlines()
    assert answers == [
        "rabbitmq 5671 connected",
        *(f"rabbitmq {port} ConnectionRefusedError" for _, port in targets[1:]),
    ]
    is_method_frame, speaks_amqp = stack.python("router", PLAIN_GREETING).split()
    assert (is_method_frame, speaks_amqp) == ("False", "False")


def test_the_edge_reaches_neither_the_broker_nor_the_simulator(stack: ComposeStack) -> None:
    targets = [("rabbitmq", 5671), ("simulator", 19001)]
    assert stack.python("edge", CONNECT.format(targets=targets)).splitlines() == [
        f"{host} {port} gaierror" for host, port in targets
    ]


def test_only_the_router_reaches_the_simulator(stack: ComposeStack) -> None:
    assert stack.python("router", CONNECT.format(targets=[("simulator", 19001)])).split()[-1] == "connected"
    assert stack.python("billing", CONNECT.format(targets=[("simulator", 19001)])).split()[-1] == "gaierror"
