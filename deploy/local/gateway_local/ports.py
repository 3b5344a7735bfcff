"""Which ports a stack uses: fixed ones for people, free ones for its servers, remembered over runs."""

import json
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gateway_local.failure import SetupFailed
from gateway_local.progress import tell

_DRAWN_FROM = range(20_000, 32_000)
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_OUTGOING = range(32_768, 61_000)
_ENOUGH = 1_000


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
    outgoing = outgoing_ports()
    drawn_from = outside(outgoing)
    ports = assign(environ, remembered, is_free, lambda: random.choice(drawn_from))  # noqa: S311
    if warning := unsafe(ports, outgoing):
        tell(warning)
    memory.write_text(json.dumps(asdict(ports), indent=2) + "\n")
    return ports


def outgoing_ports() -> range:
    """From which the system takes a port for each outgoing connection (ip(7): ip_local_port_range)."""
    try:
        first, last = _OUTGOING.read_text().split()
    except OSError:
        return _USUAL_OUTGOING
    return range(int(first), int(last) + 1)


def outside(outgoing: range) -> range:
    """Where to look for free ports: below the outgoing ones, or above them, as far as there is room."""
    for candidates in (
        range(_DRAWN_FROM.start, min(_DRAWN_FROM.stop, outgoing.start)),
        range(1_024, outgoing.start),
        range(outgoing.stop, 65_536),
    ):
        if len(candidates) >= _ENOUGH:
            return candidates
    return _DRAWN_FROM


def unsafe(ports: Ports, outgoing: range) -> str | None:
    """What to tell whose ports may be taken by any program's outgoing connection at the next start."""
    exposed = sorted(port for port in asdict(ports).values() if port in outgoing)
    if not exposed:
        return None
    return (
        f"warning: {_listed(exposed)} may be taken by any outgoing connection of this machine, which get"
        f" {outgoing.start} to {outgoing.stop - 1}: a PORT_BASE outside of these is safer"
    )


def _listed(ports: list[int]) -> str:
    return f"port {ports[0]}" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]}"


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
