"""The members of a JSON object that a person wrote, read one by one: every refusal names the member. Pure."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from gateway_shared.errors import BadRequest, JsonObject

_SHOWN_CHARACTERS = 64


def json_object(data: bytes) -> JsonObject:
    """Raises BadRequest; its message quotes nothing of the body, which may hold keys."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object.")
    return document


class Members:
    """Of a member that is missing or null each reader gives its default. `known` are the members that may be there."""

    def __init__(self, document: Mapping[str, Any], *, known: Collection[str]) -> None:
        for name in document:
            if name not in known:
                raise refused(_shown(name), f"is not known; known are {', '.join(sorted(known))}")
        self._document = document

    def __getitem__(self, name: str) -> Any:
        return self._document.get(name)

    def text(self, name: str, pattern: re.Pattern[str], what: str, default: str | None = None) -> str | None:
        """A string that fits `pattern`; `what` says in words what fits."""
        value = self[name]
        return default if value is None else checked_text(value, name, pattern, what)

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int | None:
        value = self[name]
        if value is None:
            return default
        if type(value) is not int or not least <= value <= most:  # a bool is an int, too
            raise refused(name, f"is a whole number from {least} to {most}")
        return value

    def seconds(self, name: str, least: float, most: float) -> float | None:
        value = self[name]
        if value is None:
            return None
        if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
            raise refused(name, f"is a number of seconds from {least:g} to {most:g}")
        return float(value)

    def texts(self, name: str, pattern: re.Pattern[str], what: str, *, most: int) -> tuple[str, ...]:
        """A list of different strings."""
        value = self[name]
        return () if value is None else checked_texts(value, name, pattern, what, most=most)

    def members(self, name: str, *, most: int) -> Mapping[str, Any]:
        """An object."""
        value = self[name]
        if value is None:
            return {}
        if not isinstance(value, dict) or len(value) > most:
            raise refused(name, f"is an object of at most {most} members")
        return value


def checked_text(value: object, field: str, pattern: re.Pattern[str], what: str) -> str:
    """Raises BadRequest that names `field` and does not quote the value."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise refused(field, f"is {what}")
    return value


def checked_texts(value: object, field: str, pattern: re.Pattern[str], what: str, *, most: int) -> tuple[str, ...]:
    """A list of different strings, as `checked_text`."""
    if not isinstance(value, list) or len(value) > most:
        raise refused(field, f"is a list of at most {most}")
    found = tuple(checked_text(item, f"{field}[{at}]", pattern, what) for at, item in enumerate(value))
    if len(set(found)) < len(found):
        raise refused(field, "names something twice")
    return found


def refused(field: str, why: str) -> BadRequest:
    """`why` follows the field's name in the sentence."""
    return BadRequest(f"{field} {why}.", param=field)


def _shown(name: str) -> str:
    return "".join(filter(str.isprintable, name[:_SHOWN_CHARACTERS])) or "A member"
