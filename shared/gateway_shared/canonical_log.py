"""One JSON line per request and per message on standard output; the text is constant, facts are fields.

No prompt, no answer and no key is ever a field. An exception is logged as its type and place, not
its message: messages of foreign libraries quote what they were given.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime

import orjson

LOGGER_NAME = "gateway"


def configure(service: str, level: str = "INFO") -> None:
    """Every log record of this process becomes one JSON line that names `service`."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines(service))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(LOGGER_NAME).setLevel(level)


def info(message: str, **facts: object) -> None:
    logging.getLogger(LOGGER_NAME).info(message, extra={"facts": facts})


def warning(message: str, **facts: object) -> None:
    logging.getLogger(LOGGER_NAME).warning(message, extra={"facts": facts})


def exception(message: str, error: BaseException, **facts: object) -> None:
    """An unexpected error: its type and where it was raised, not what it says."""
    logging.getLogger(LOGGER_NAME).error(message, extra={"facts": {**facts, **describe(error)}})


def describe(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return {
        "error_class": type(error).__name__,
        "error_at": [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames],
    }


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": record.getMessage() if record.name == LOGGER_NAME else str(record.msg),
        }
        if record.name != LOGGER_NAME:
            line["logger"] = record.name
        line.update(getattr(record, "facts", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line.update(describe(record.exc_info[1]))
        return orjson.dumps(line, default=str).decode()
