"""Which ports a stack gets."""

import socket

import pytest
from gateway_local.failure import SetupFailed
from gateway_local.ports import Ports, assign, is_free, outgoing_ports, outside, unsafe

from tests.ports import free_ports


def assigned(
    environ: dict[str, str], *, remembered: dict[str, int] | None = None, taken: frozenset[int] = frozenset()
) -> Ports:
    draws = iter(range(20_000, 20_100))
    return assign(environ, remembered or {}, lambda port: port not in taken, lambda: next(draws))


def test_people_find_the_fixed_ports_and_servers_take_free_ones() -> None:
    ports = assigned({}, taken=frozenset({20_000}))
    assert (ports.edge, ports.router) == (8080, 8443)
    assert (ports.edge_ops, ports.router_ops, ports.billing_ops) == (9080, 9081, 9082)
    assert (ports.postgres, ports.rabbitmq, ports.simulator) == (20_001, 20_002, 20_005)


def test_a_base_moves_all_ports_in_a_row() -> None:
    assert assigned({"PORT_BASE": "18000"}) == Ports(*range(18_000, 18_010))


def test_a_single_setting_wins_over_the_base() -> None:
    assert assigned({"PORT_BASE": "18000", "EDGE_OPS_PORT": "7000"}).edge_ops == 7000


def test_free_ports_are_remembered_until_somebody_takes_them() -> None:
    remembered = {"postgres": 21_000, "rabbitmq": 21_001}
    ports = assigned({}, remembered=remembered, taken=frozenset({21_001}))
    assert ports.postgres == 21_000
    assert ports.rabbitmq == 20_000


def test_every_taken_port_is_named_with_the_setting_that_moves_it() -> None:
    with pytest.raises(SetupFailed) as caught:
        assigned({}, taken=frozenset({8080, 9081}))
    message = str(caught.value)
    assert "port 8080 (edge) is in use: set EDGE_PORT" in message
    assert "port 9081 (router ops) is in use: set ROUTER_OPS_PORT" in message
    assert "PORT_BASE=" in message


def test_two_parts_are_not_given_the_same_port() -> None:
    with pytest.raises(SetupFailed, match="9080"):
        assigned({"EDGE_PORT": "9080"})


@pytest.mark.parametrize("text", ["0", "-1", "65530", "http"])
def test_a_setting_that_is_no_port_is_refused_by_name(text: str) -> None:
    with pytest.raises(SetupFailed, match=f"PORT_BASE={text}"):
        assigned({"PORT_BASE": text})


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
    assert is_free(free_ports(1)[0])


OUTGOING = range(32_768, 61_000)


def test_ports_that_outgoing_connections_may_take_are_warned_of() -> None:
    told = unsafe(assigned({"PORT_BASE": "40000"}), OUTGOING)
    assert told
    assert "ports 40000 to 40009" in told
    assert "32768 to 60999" in told
    assert unsafe(assigned({"PORT_BASE": "18000"}), OUTGOING) is None


@pytest.mark.parametrize(
    ("outgoing", "drawn_from"),
    [
        (OUTGOING, range(20_000, 32_000)),
        (range(22_000, 61_000), range(20_000, 22_000)),
        (range(10_000, 61_000), range(1_024, 10_000)),
        (range(1_100, 60_000), range(60_000, 65_536)),
        (range(1_024, 65_536), range(20_000, 32_000)),
    ],
)
def test_free_ports_are_looked_for_outside_those_of_outgoing_connections(outgoing: range, drawn_from: range) -> None:
    assert outside(outgoing) == drawn_from


def test_this_systems_outgoing_ports_are_where_it_takes_them_from() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockname()[1] in outgoing_ports()
