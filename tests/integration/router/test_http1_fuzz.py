"""The provider client of our own, and answers that were whole once: cut short, bytes flipped, left out or added."""

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_router.transports.transport import UpstreamCut
from tests.integration.router.http1_server import CHUNKED, PLAIN, Server, ask, serving

EVENTS = (b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n")
CORPUS = (
    PLAIN,
    CHUNKED,
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN,
    b'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 12\r\n\r\n{"error":{}}',
    b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\nto the end",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in EVENTS)
    + b"0\r\nX-Trailer: y\r\n\r\n",
)


class Framed(NamedTuple):
    """What an answer's own framing says. `behind`: what follows its end; None where the connection's end is its end."""

    body: bytes
    behind: bytes | None
    may_be_kept: bool


def framed(wire: bytes) -> Framed | None:
    """None for what is cut short or malformed."""
    head, empty_line, rest = wire.partition(b"\r\n\r\n")
    if not empty_line:
        return None
    status_line, *lines = head.split(b"\r\n")
    version, _, status = status_line.partition(b" ")
    if status.startswith(b"1"):
        return framed(rest)
    fields = {
        name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(b":") for line in lines)
    }
    may_be_kept = version == b"HTTP/1.1" and fields.get(b"connection") is None
    if status[:3] in (b"204", b"304"):
        return Framed(b"", rest, may_be_kept)
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        return dechunked(rest, may_be_kept=may_be_kept) if coding == b"chunked" else None
    length = fields.get(b"content-length")
    if length is None:
        return Framed(rest, None, may_be_kept=False)
    if not length.isdigit() or int(length) > len(rest):
        return None
    return Framed(rest[: int(length)], rest[int(length) :], may_be_kept)


def dechunked(rest: bytes, *, may_be_kept: bool) -> Framed | None:
    body = b""
    while True:
        line, line_end, rest = rest.partition(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            return None
        if size == 0:
            break
        if not line_end or size < 0 or rest[size : size + 2] != b"\r\n":
            return None
        body, rest = body + rest[:size], rest[size + 2 :]
    if rest.startswith(b"\r\n"):
        return Framed(body, rest[2:], may_be_kept)
    _, end, behind = rest.partition(b"\r\n\r\n")
    return Framed(body, behind, may_be_kept) if end else None


def mutations(answer: bytes) -> st.SearchStrategy[bytes]:
    at = st.integers(0, len(answer) - 1)
    changes: list[st.SearchStrategy[Callable[[bytearray], None]]] = [
        st.builds(lambda at, bits: lambda wire: flip(wire, at, bits), at, st.integers(1, 255)),
        st.builds(lambda at, size: lambda wire: replace(wire, at, size, b""), at, st.integers(1, 30)),
        st.builds(lambda at, more: lambda wire: replace(wire, at, 0, more), at, st.binary(min_size=1, max_size=8)),
        st.builds(lambda at: lambda wire: replace(wire, at, len(wire), b""), at),
        st.builds(lambda more: lambda wire: replace(wire, len(wire), 0, more), st.sampled_from((b"\r\n", b"x", PLAIN))),
    ]

    def changed(applied: list[Callable[[bytearray], None]]) -> bytes:
        wire = bytearray(answer)
        for change in applied:
            change(wire)
        return bytes(wire)

    return st.lists(st.one_of(changes), max_size=3).map(changed)


def flip(wire: bytearray, at: int, bits: int) -> None:
    if at < len(wire):
        wire[at] ^= bits


def replace(wire: bytearray, at: int, size: int, by: bytes) -> None:
    wire[at : at + size] = by


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=st.sampled_from(CORPUS).flatmap(mutations), pieces=st.integers(1, 12))
async def test_what_is_taken_is_what_was_framed_and_no_connection_is_kept_after_less_or_more(
    answer: bytes, pieces: int
) -> None:
    expected = framed(answer)
    is_complete = expected is not None and expected.behind is not None
    # in one piece where there is more: what comes once an answer was given is told from none by nobody
    server = Server(answer, hangs_up=not is_complete, pieces=1 if expected is None or expected.behind else pieces)
    is_clean = False
    async with serving(server) as transport:
        try:
            _, body = await ask(transport, server)  # a TimeoutError is a failure: it hangs
        except UpstreamCut:
            assert answer not in CORPUS
        else:
            assert expected is not None
            assert body == expected.body
            # empty lines before an answer are passed over
            is_clean = expected.may_be_kept and expected.behind is not None and not expected.behind.strip(b"\r\n")
        server.answer, server.hangs_up = PLAIN, False
        assert await ask(transport, server) == (200, b"{}")
    assert server.connections == (1 if is_clean else 2)
