"""The interface of a transport: an upstream request in, status, headers and bytes out."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.transports.answer_budget import AnswerBudget

MAX_ANSWER_BYTES = 128 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_ANSWER_VALUES = 5_000_000
"""Of a plain answer's JSON, at some 70 bytes each once it is parsed: an object of 128 MiB may be gigabytes of `{}`."""
_LITTLE_BYTES = 64 * 1024
_SURELY_FEW_BYTES = 1024 * 1024
CLOSING_WITHIN_S = 1.0
"""A kept connection that breaks that soon after it was used, without an answer, was being closed as it was used."""


class UpstreamNotReached(Exception):
    """No connection to the provider came about: it has seen nothing of the request."""


class UpstreamCut(Exception):
    """The connection broke after the request was on its way."""


class KeptConnectionClosed(UpstreamCut):
    """A connection kept from an earlier call broke before a byte was answered: most likely it was being closed."""


class AnswerNotTaken(UpstreamCut):
    """More came than is taken, or something that was not asked for: to ask again would bring the same."""


class UpstreamResponse(Protocol):
    """A provider's answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """What each read brings. Raises UpstreamCut."""
        ...

    async def read(self, max_bytes: int) -> bytes:
        """The whole body. Raises UpstreamCut, also when it is longer than `max_bytes`, and AnswersTooLarge."""
        ...

    async def read_start(self, max_bytes: int) -> bytes:
        """At most `max_bytes` of the body's beginning, as much as comes."""
        ...

    def hold(self, size: int) -> None:
        """That many bytes of a stream are being held, until the next call. Raises AnswersTooLarge."""
        ...

    async def finish(self) -> None:
        """Takes the last bytes after an answer that is complete, so that the connection can be used again."""
        ...


class ReadInParts(ABC):
    """An UpstreamResponse for which a transport gives what each read brings: bounded, and never decompressed.

    What is held of it counts against the budget until `let_go`; of a stream only what is much.
    """

    status: int
    headers: Mapping[str, str]

    def __init__(self, budget: AnswerBudget) -> None:
        self._budget = budget
        self._received_bytes = 0
        self._held_bytes = 0

    @abstractmethod
    async def part(self) -> bytes:
        """What came since the last one, b"" at the end. Raises UpstreamCut."""

    @abstractmethod
    async def finish(self) -> None:
        """See UpstreamResponse."""

    async def chunks(self) -> AsyncIterator[bytes]:
        self._check_coding()
        while chunk := await self.part():
            self._count(chunk, MAX_ANSWER_BYTES)
            yield chunk

    async def read(self, max_bytes: int) -> bytes:
        self._check_coding()
        parts: list[bytes] = []
        while part := await self.part():
            self._count(part, max_bytes)
            self._take(len(part))
            parts.append(part)
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(body) > _SURELY_FEW_BYTES and _values(body) > MAX_ANSWER_VALUES:
            raise AnswerNotTaken(f"more than {MAX_ANSWER_VALUES} values")
        return body

    def let_go(self) -> None:
        """The answer has been passed on."""
        self._budget.give_back(self._held_bytes)
        self._held_bytes = 0

    async def read_start(self, max_bytes: int) -> bytes:
        received = bytearray()
        async for chunk in self.chunks():
            received += chunk
            if len(received) >= max_bytes:
                break
        return bytes(received[:max_bytes])

    def hold(self, size: int) -> None:
        if size > _LITTLE_BYTES:
            self._take(size - self._held_bytes)
        elif self._held_bytes:
            self.let_go()

    def _take(self, size: int) -> None:
        self._budget.take(size)
        self._held_bytes += size

    def _count(self, part: bytes, max_bytes: int) -> None:
        self._received_bytes += len(part)
        if self._received_bytes > max_bytes:
            raise AnswerNotTaken(f"more than {max_bytes} bytes")

    def _check_coding(self) -> None:
        if self.headers.get("content-encoding", "identity") != "identity":
            raise AnswerNotTaken("the answer is compressed, which was not asked for")


def _values(body: bytes) -> int:
    """At least as many as a JSON document holds: each but the first follows one of these."""
    return sum(body.count(mark) for mark in (b",", b"[", b"{", b":"))


class Transport(Protocol):
    def open(self, request: UpstreamRequest, provider: Provider, /) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Sends the request, marks it as sent, and waits for the answer's head. Raises UpstreamNotReached, UpstreamCut.

        Leaving the block before the body's end closes the connection: the provider stops.
        """
        ...

    async def close(self) -> None: ...
