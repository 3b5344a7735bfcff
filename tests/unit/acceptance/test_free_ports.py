"""The ports that tests give their servers, which listen on them only later."""

import socket

from tests.ports import free_port_base, free_ports


def test_no_port_is_handed_out_twice() -> None:
    """Of 1,000 drawn at random from 6,000 some 80 would be."""
    ports = free_ports(700)
    for _ in range(30):
        ports.extend(range(first := free_port_base(10), first + 10))
    assert len(set(ports)) == len(ports) == 1_000


def test_a_port_with_a_listener_is_left_out_even_in_a_row() -> None:
    next_port = free_ports(1)[0] + 1
    with socket.create_server(("127.0.0.1", next_port + 5)):
        first = free_port_base(10)
    assert next_port + 5 not in range(first, first + 10)
