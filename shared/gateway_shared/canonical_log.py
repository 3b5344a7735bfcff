"""One JSON line per request and per message on standard output; the text is constant, facts are fields.

No prompt, no answer and no key is ever a field. An exception is logged as its type and place, not
its message: messages of foreign libraries quote what they were given. Our own lines do not pass through
`logging` (a third of their cost), and those of one loop tick leave in one write.
"""

import asyncio
import atexit
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime

import orjson

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(service: str, level: str = "INFO") -> None:
    """Every log line of this process, foreign libraries' too (from WARNING up), names `service`."""
    _lines.service = service
    _lines.lowest = _LEVELS[level.lower()]
    logging.basicConfig(level=logging.WARNING, handlers=[_Foreign()], force=True)
    atexit.register(_lines.flush)


def info(message: str, **facts: object) -> None:
    _lines.add("info", message, facts)


def warning(message: str, **facts: object) -> None:
    _lines.add("warning", message, facts)


def exception(message: str, error: BaseException, **facts: object) -> None:
    """An unexpected error: its type and where it was raised, not what it says."""
    _lines.add("error", message, {**facts, **describe(error)})


def describe(error: BaseException) -> dict[str, object]:
    """Of a group of errors, the first one that is none: the group itself says nothing of the cause."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return {
        "error_class": type(error).__name__,
        "error_at": [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames],
    }


class _Lines:
    """What was logged in this loop tick; without a loop, each line leaves at once."""

    def __init__(self) -> None:
        self.service = "unconfigured"
        self.lowest = logging.WARNING
        self._waiting: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()  # other threads log too

    def add(self, level: str, message: str, facts: dict[str, object]) -> None:
        if _LEVELS[level] < self.lowest:
            return
        line = {"time": datetime.now(UTC), "level": level, "service": self.service, "message": message, **facts}
        data = orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
        with self._lock:
            self._waiting.append(data)
            # a loop that ended in that very tick has left its lines here
            is_first = len(self._waiting) == 1 or (self._loop is not None and self._loop.is_closed())
        if is_first:
            try:
                self._loop = asyncio.get_running_loop()
                self._loop.call_soon(self.flush)
            except RuntimeError:  # no loop in this thread
                self.flush()

    def flush(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if waiting:
            sys.stdout.buffer.write(b"".join(waiting))
            sys.stdout.flush()


_VALUES = re.compile(r"[\n(%]")


class _Foreign(logging.Handler):
    """Records of other libraries, without their values: those may quote what the library was given.

    They come as arguments, or written out already, as asyncio does (`Exception in callback f(...)`, then on further
    lines the task with its exception's message): of a text, what stands before the first bracket, place for a value or
    line break is kept.
    """

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            facts |= describe(record.exc_info[1])
        level = record.levelname.lower()
        text = _VALUES.split(str(record.msg), maxsplit=1)[0].rstrip(" :'\"")
        _lines.add(level if level in _LEVELS else "error", text, facts)


_lines = _Lines()
