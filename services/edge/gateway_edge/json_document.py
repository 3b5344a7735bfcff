"""A request body read as JSON, with the bounds that JSON itself does not have (SECURITY: Inbound requests).

Pure. What comes out can be written again by orjson with every number equal to what came: orjson turns
an integer outside 64 bits into a float, so such an integer is refused by its path.
"""

import json
from collections.abc import Iterator
from typing import cast

import orjson

from gateway_edge.value_count import has_more_values
from gateway_shared.errors import BadRequest, JsonObject

MAX_DEPTH = 64
MAX_VALUES = 1_000_000
"""Names of members among them. Of bodies of 32 MiB within this the worst took 230 MiB more of memory (RSS) to parse,
short texts or objects in each other, and about a second, arrays in each other.
"""
MAX_PATH_CHARACTERS = 200

_SMALLEST_INTEGER = -(2**63)
_LARGEST_INTEGER = 2**64 - 1
_LONGEST_INTEGER = 20
"""Characters of the longest integer that fits, its sign included."""


class _IntegerTooLarge:
    """Stands for an integer outside 64 bits in the second, slow reading."""


_INTEGER_TOO_LARGE = _IntegerTooLarge()


def parse_object(data: bytes) -> JsonObject:
    """Raises BadRequest: not JSON, not an object, too large, too deep, NUL in a string, an integer outside 64 bits."""
    if has_more_values(data, MAX_VALUES):
        raise BadRequest(f"The body has too many values: more than {MAX_VALUES:,}.")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        # orjson's message tells what and where, and quotes nothing
        raise BadRequest(f"The body is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object.")
    if _has_large_float(document):
        _refuse_large_integers(data)
    if b"\\" in data and b"\\u0000" in data:  # looking for one character is ten times as fast
        _refuse_nul(document)
    return cast("JsonObject", document)


def _has_large_float(document: object) -> bool:
    """Whether any float could have been an integer outside 64 bits; raises BadRequest when nested too deep.

    Level by level, looking at no string: this is the only step that visits every value of every body.
    """
    found = False
    level = [document]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for container in level:
            for value in container.values() if type(container) is dict else cast("list[object]", container):
                kind = type(value)
                if kind is dict or kind is list:
                    below.append(value)
                elif kind is float and (value > _LARGEST_INTEGER or value <= _SMALLEST_INTEGER):  # type: ignore[operator]
                    found = True
        if not below:
            return found
        level = below
    raise BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _refuse_large_integers(data: bytes) -> None:
    """The same bytes again, telling integers from floats by how they are written."""
    for steps, value in _walk(json.loads(data, parse_int=_integer)):
        if value is _INTEGER_TOO_LARGE:
            path = _path(steps)
            raise BadRequest(f"The integer at {path} does not fit in 64 bits.", param=path)


def _integer(text: str) -> object:
    if len(text) > _LONGEST_INTEGER or not _SMALLEST_INTEGER <= int(text) <= _LARGEST_INTEGER:
        return _INTEGER_TOO_LARGE
    return 0


def _refuse_nul(document: object) -> None:
    for steps, value in _walk(document):
        if isinstance(value, str) and "\0" in value:
            path = _path(steps)
            raise BadRequest(f"The text at {path} holds a NUL character.", param=path)
        if isinstance(value, dict) and any("\0" in name for name in value):
            raise BadRequest("The name of a member holds a NUL character.")


def _walk(document: object) -> Iterator[tuple[list[str | int], object]]:
    """Every value in the order of the text, with the names and indices that lead to it: one list, which changes.

    No path is built here: a long name would be copied for each value below it.
    """
    steps: list[str | int] = []
    yield steps, document
    open_containers = [_members(document)]
    while open_containers:
        for step, value in open_containers[-1]:
            steps.append(step)
            yield steps, value
            if isinstance(value, dict | list):
                open_containers.append(_members(value))
                break
            steps.pop()
        else:
            open_containers.pop()
            if steps:
                steps.pop()


def _members(container: object) -> Iterator[tuple[str | int, object]]:
    return iter(container.items() if isinstance(container, dict) else enumerate(cast("list[object]", container)))


def _path(steps: list[str | int]) -> str:
    """As in `messages[0].content`, its first characters only when a client made it long."""
    path = ""
    for step in steps:
        name = f"[{step}]" if isinstance(step, int) else step[:MAX_PATH_CHARACTERS]
        path += f".{name}" if path and isinstance(step, str) else name
    return path[:MAX_PATH_CHARACTERS]
