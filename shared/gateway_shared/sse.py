"""Server-sent events: cutting a byte stream into events, and writing them (WHATWG HTML, 9.2).

Pure: bytes in, events out. Lines may end in LF, CR LF or CR; events end with an empty line.
"""

import re
from collections.abc import Iterator

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class EventTooLong(ValueError):
    """One event grew beyond the limit without ending."""


class EventSplitter:
    """Cuts what was read into whole events, each with its ending, keeping the rest for the next read."""

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self._rest = bytearray()
        self._max_event_bytes = max_event_bytes

    @property
    def held_bytes(self) -> int:
        """Of the event that has not ended."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Events that `data` completes. Raises EventTooLong."""
        searched_from = 0
        if self._rest:
            # grows in place: an event may come in as many reads as it has bytes
            searched_from = max(0, len(self._rest) - 3)
            self._rest += data
            if next(_event_ends(self._rest, searched_from), None) is None:
                self._check_length()
                return []
            data, self._rest = bytes(self._rest), bytearray()
        events: list[bytes] = []
        start = 0
        for end in _event_ends(data, searched_from):
            events.append(data[start:end])
            start = end
        if start < len(data):
            self._rest += data[start:]
            self._check_length()
        return events

    def _check_length(self) -> None:
        if len(self._rest) > self._max_event_bytes:
            raise EventTooLong(f"an event is longer than {self._max_event_bytes} bytes")

    def flush(self) -> bytes:
        """What came after the last whole event."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest


def _event_ends(data: bytes | bytearray, start: int) -> Iterator[int]:
    if data.find(b"\r", start) >= 0:
        for end in _EVENT_END.finditer(data, start):
            yield end.end()
        return
    # as nearly all providers write, and found in a tenth of the time
    while (at := data.find(b"\n\n", start)) >= 0:
        start = at + 2
        yield start


def data_of(event: bytes) -> bytes | None:
    """The joined `data` lines of one event, or None when it has none (a comment)."""
    if event[:6] == b"data: " and event.find(b"\n") == len(event) - 2 and b"\r" not in event:
        return event[6:-2]  # as nearly all come: one line
    return data_of_lines(event)


def data_of_lines(event: bytes) -> bytes | None:
    """The same for any event."""
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:") or line == b"data"]
    return b"\n".join(lines) if lines else None


def write_data(data: bytes) -> bytes:
    """One event that carries `data`, which holds no line break."""
    return b"data: " + data + b"\n\n"
