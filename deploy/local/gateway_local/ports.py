"""Which ports a stack uses: fixed ones for people, free ones for its servers, remembered over runs."""

import json
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gateway_local.failure import SetupFailed

_FREE_FROM, _FREE_TO = 20_000, 32_000
"""Below the range from which the system takes ports for outgoing connections."""


@dataclass(frozen=True, slots=True)
class Ports:
    """In the order in which PORT_BASE hands them out. All are on loopback."""

    edge: int
    edge_ops: int
    router_ops: int
    billing_ops: int
    router: int
    postgres: int
    rabbitmq: int
    epmd: int
    rabbitmq_dist: int
    simulator: int


_FIXED = {"edge": 8080, "edge_ops": 9080, "router_ops": 9081, "billing_ops": 9082, "router": 8443}


def variable(name: str) -> str:
    """The setting of one port: `edge_ops` -> EDGE_OPS_PORT."""
    return f"{name.upper()}_PORT"


def assign(
    environ: Mapping[str, str], remembered: Mapping[str, int], is_free: Callable[[int], bool], draw: Callable[[], int]
) -> Ports:
    """Raises SetupFailed with every port that is taken, or is not a port, and how to set another."""
    base = _number("PORT_BASE", environ) if environ.get("PORT_BASE") else None
    chosen: dict[str, int] = {}
    problems: list[str] = []
    for offset, name in enumerate(field.name for field in fields(Ports)):
        if environ.get(variable(name)):
            port = _number(variable(name), environ)
        elif base is not None:
            port = base + offset
        elif name in _FIXED:
            port = _FIXED[name]
        else:
            chosen[name] = _free(remembered.get(name), set(chosen.values()), is_free, draw)
            continue
        if port in chosen.values() or not is_free(port):
            problems.append(f"port {port} ({name.replace('_', ' ')}) is in use: set {variable(name)}")
        chosen[name] = port
    if problems:
        raise SetupFailed("\n".join(problems) + "\nOr move them all, for a second stack: `make start PORT_BASE=18000`.")
    return Ports(**chosen)


def assign_and_remember(environ: Mapping[str, str], memory: Path) -> Ports:
    remembered = json.loads(memory.read_text()) if memory.exists() else {}
    ports = assign(environ, remembered, is_free, lambda: random.randrange(_FREE_FROM, _FREE_TO))  # noqa: S311
    memory.write_text(json.dumps(asdict(ports), indent=2) + "\n")
    return ports


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free(remembered: int | None, taken: set[int], is_free: Callable[[int], bool], draw: Callable[[], int]) -> int:
    candidate = remembered
    while candidate is None or candidate in taken or not is_free(candidate):
        candidate = draw()
    return candidate


def _number(name: str, environ: Mapping[str, str]) -> int:
    text = environ[name]
    if not text.isdecimal() or not 0 < int(text) < 65_526:
        raise SetupFailed(f"{name}={text} is not a port number. Set it to one from 1024 to 65525.")
    return int(text)
