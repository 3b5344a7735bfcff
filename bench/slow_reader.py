"""Clients that read 1 KB a second beside 200 at full speed: what the others notice of them, and what they hold."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway_local.progress import tell

from bench.figures import paired_difference, paired_ratio, rotated, spread
from bench.load import LoadFailed
from bench.measure import Measurement, await_quiet, measure
from bench.processes import tree
from bench.report import table
from bench.rig import Target
from bench.shapes import Shape, at_rate, chat_body, http_request

COUNTS = (0, 1, 50)
"""Slow readers beside the others, in turn within each round."""
FAST = Shape("beside-slow", "", 200, ramp_ms=500)
RATE_PER_S = 20
ENDLESS = Shape("endless", "", 1, chunks=10_000_000, gap_us=10_000, burst=100)
"""As much as is read, up to 3 MB a second."""
READ_BYTES = 1024
PAUSE_S = 1.0
RECEIVE_BUFFER_BYTES = 4096


@dataclass(slots=True)
class Comparison:
    """Measurements by target and count of slow readers, one a round; why a target has none."""

    rounds: dict[str, dict[int, list[Measurement]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def compare(targets: Sequence[Target], *, rounds: int, seconds: float, folder: Path) -> Comparison:
    """Rounds in which each target is measured with each of COUNTS. Only those that carry many streams are asked."""
    shape = at_rate(FAST, RATE_PER_S, seconds=seconds)
    asked = [target for target in targets if target.carries_open_streams]
    comparison = Comparison({target.name: {count: [] for count in COUNTS} for target in asked})
    for number in range(rounds):
        tell(f"slow readers beside {shape.title}: round {number + 1} of {rounds}")
        for target in rotated(asked, number):
            for count in rotated(COUNTS, number):
                try:
                    with slow_readers(target, count):
                        measured = measure(target, shape, seconds=seconds, folder=folder)
                except LoadFailed as error:
                    comparison.failures[target.name] = str(error)
                else:
                    comparison.rounds[target.name][count].append(measured)
    for name in comparison.failures:
        del comparison.rounds[name]
    return comparison


def slow_reader_table(comparison: Comparison) -> str:
    """The others' chunk delay with slow readers by that without, paired by round; and what each of those holds."""
    rows = []
    for name, by_count in comparison.rounds.items():
        without = by_count[0]
        for count, beside in by_count.items():
            delays = [m.outcome.chunk_delay for m in beside if m.outcome.chunk_delay]
            row = [name, str(count), f"{spread([delay.p99 for delay in delays]).median:.2f}"]
            if count:
                alone = [m.outcome.chunk_delay.p99 for m in without if m.outcome.chunk_delay]
                ratio = paired_ratio([delay.p99 for delay in delays], alone)
                grown = paired_difference([m.memory_highest for m in beside], [m.memory_highest for m in without])
                row += [
                    f"**{ratio.median:.3g}** ({ratio.least:.3g}..{ratio.greatest:.3g})",
                    f"{grown.median / 1e6:.1f}",
                ]
            rows.append(row + [""] * (5 - len(row)))
    rows += [[name, why, "", "", ""] for name, why in comparison.failures.items()]
    columns = ["target", "slow readers", "the others' chunk delay p99 ms", "÷ that without them", "memory grown by, MB"]
    title = at_rate(FAST, RATE_PER_S, seconds=1).title
    return f"### Clients that read 1 KB a second, beside {title}\n\n{table(columns, rows)}\n"


@contextmanager
def slow_readers(target: Target, count: int) -> Iterator[None]:
    """Each on an endless stream of its own, of which it holds all that it is let hold.

    Raises LoadFailed at the end of the block when one was cut off.
    """
    over = threading.Event()
    cut_off: list[socket.socket] = []
    with ExitStack() as open_streams:
        connections = [open_streams.enter_context(_asked(target)) for _ in range(count)]
        reading = threading.Thread(target=_read_slowly, args=(connections, over, cut_off))
        reading.start()
        try:
            await_quiet(tree(target.parts.values()))  # their windows are full
            yield
        finally:
            over.set()
            reading.join()
    if cut_off:
        raise LoadFailed(f"failed: {len(cut_off)} of {count} slow readers were cut off")


def _asked(target: Target) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.connect(("127.0.0.1", target.port))
    body = chat_body(ENDLESS, target.models["openai"])
    connection.sendall(http_request(target.port, target.path, target.headers, body))
    connection.setblocking(False)
    return connection


def _read_slowly(connections: list[socket.socket], over: threading.Event, cut_off: list[socket.socket]) -> None:
    is_over = False
    while not is_over:
        is_over = over.wait(PAUSE_S)
        for connection in [one for one in connections if one not in cut_off]:
            try:
                if not connection.recv(READ_BYTES):
                    cut_off.append(connection)
            except BlockingIOError:
                continue  # nothing came: the next second's turn
            except ConnectionError:
                cut_off.append(connection)
