"""What a provider's wire is to the rest of the simulator: read a request, render an answer, an error, a stream.

Each provider's folder has the same modules: `request` (reads the body), `response` (the plain answer), `stream` (its
events), `dialect` (keys, errors and headers, and all of it tied together). All of it is pure.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from gateway_simulator.answer import Answer
from gateway_simulator.conversation import Conversation


class Frame(NamedTuple):
    """One event of a stream, as bytes; or the whole of a plain answer."""

    data: bytes
    content: bool = False
    """A delta of the answer (or of its tool calls or thoughts): what `*_after=N` counts."""
    usage: bool = False
    """It tells the final usage."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What differs between two equal answers."""

    token: str
    """24 hex digits; ids are made of it."""
    created_s: int
    """Unix time."""
    key: str
    """The provider key that came with the request; empty: none."""


@dataclass(frozen=True, slots=True)
class Dialect:
    name: str
    """The provider's."""
    content_type: str
    """Of its streams."""
    key: Callable[[Mapping[str, str], Mapping[str, str]], str]
    """The key in a request's headers or query; empty where there is none."""
    objection: Callable[[Mapping[str, str], Mapping[str, str], bool], str | None]
    """What, beside the key, is wrong with the headers or the query of a request, streamed or not, in words."""
    read: Callable[[dict[str, Any], str, bool], Conversation]
    """From the body, and from model and stream where the provider has them in the path. Raises RequestInvalid."""
    document: Callable[[Answer, Envelope], dict[str, Any]]
    frames: Callable[[Answer, Envelope], Iterator[Frame]]
    error: Callable[[int, str | None, str | None, Envelope], dict[str, Any]]
    """From status, message and code; None: the usual one."""
    error_frame: Callable[[Envelope], bytes]
    """The event that the provider sends when it fails in the middle of a stream."""
    headers: Callable[[Envelope], dict[str, str]]
    response_id: Callable[[Envelope], str]


def data_event(document: object, *, event: str | None = None, newline: bytes = b"\n") -> bytes:
    """A server-sent event of one JSON document."""
    head = b"" if event is None else b"event: " + event.encode() + newline
    return head + b"data: " + orjson.dumps(document) + newline + newline
