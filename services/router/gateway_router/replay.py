"""`replay`: publishes again what the journals hold, for a broker or a database that lost it.

The ledger's key drops what it has already, so it can be done at any time, beside living routers, and again.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway_router.broker_link import BrokerLink, PublishFailed, open_link
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import boot_folders
from gateway_router.journal.frame import Frame
from gateway_router.journal.survey import last_settled, settled_records
from gateway_router.publication import MAX_BATCH_BYTES, MAX_BATCH_EVENTS
from gateway_shared.producer_mark import ProducerMark
from gateway_shared.tls import TlsFiles

MAX_OUTSTANDING_MESSAGES = 10


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: of all producers, or one; with the sequences `first` to `last`, None being no end."""

    producer: str | None = None
    first: int = 1
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What went out of one producer's journal."""

    producer: str
    events: int
    first_sequence: int | None
    last_sequence: int | None


def selected_journals(journal_dir: Path, selection: Selection) -> dict[str, Path]:
    """Producer -> folder, oldest boot first. Blocking."""
    found = {f"{path.parent.name}/{path.name}": path for path in boot_folders(journal_dir)}
    return {name: path for name, path in found.items() if selection.producer in (None, name)}


def count(producer: str, folder: Path, selection: Selection) -> Replayed:
    """What `replay` would publish. Blocking. Raises OSError."""
    return _replayed(producer, [frame.sequence for frame in _frames(folder, selection)])


async def replay(
    journals: dict[str, Path], selection: Selection, *, url: str, files: TlsFiles, done: Callable[[Replayed], None]
) -> None:
    """Calls `done` for each producer once the broker has confirmed it. Raises PublishFailed, OSError."""
    async with open_link(url, files) as link:
        for producer, folder in journals.items():
            sequences = await _publish(link, producer, folder, selection)
            done(_replayed(producer, sequences))


async def _publish(link: BrokerLink, producer: str, folder: Path, selection: Selection) -> list[int]:
    """Its events, and behind them its mark: a database that is new has not seen that either."""
    outstanding = asyncio.Semaphore(MAX_OUTSTANDING_MESSAGES)
    sequences: list[int] = []

    async def publish(body: bytes, message_id: str) -> None:
        try:
            await link.publish(body, message_id=message_id)
        finally:
            outstanding.release()

    try:
        async with asyncio.TaskGroup() as publishes:
            for frames in _in_messages(_frames(folder, selection)):
                await outstanding.acquire()
                numbers = [frame.sequence for frame in frames]
                body = b"\n".join(frame.payload for frame in frames)
                publishes.create_task(publish(body, f"{producer}:{numbers[0]}-{numbers[-1]} replay"))
                sequences += numbers
    except* PublishFailed as failures:
        raise failures.exceptions[0] from failures
    mark = _mark(producer, folder)
    if mark.sequence:
        await link.publish(mark.to_json(), message_id=f"{producer}:{mark.sequence} replay mark")
    return sequences


def _frames(folder: Path, selection: Selection) -> Iterator[Frame]:
    return settled_records(folder, first=selection.first, last=selection.last)


def messages_of(folder: Path, *, first: int, last: int) -> list[list[Frame]]:
    """The events with the numbers `first` to `last` that are still there, as they go into messages. Blocking.

    Raises OSError.
    """
    return list(_in_messages(settled_records(folder, first=first, last=last)))


def _in_messages(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    message: list[Frame] = []
    size_bytes = 0
    for frame in frames:
        size_bytes += len(frame.payload)
        if message and (len(message) == MAX_BATCH_EVENTS or size_bytes > MAX_BATCH_BYTES):
            yield message
            message, size_bytes = [], len(frame.payload)
        message.append(frame)
    if message:
        yield message


def _mark(producer: str, folder: Path) -> ProducerMark:
    cursor = Cursor.load(folder)
    closed = cursor.last_sequence is not None
    sequence = cursor.last_sequence if cursor.last_sequence is not None else last_settled(folder)
    return ProducerMark(producer=producer, sequence=sequence, closed=closed, marked_at=datetime.now(UTC))


def _replayed(producer: str, sequences: list[int]) -> Replayed:
    return Replayed(producer, len(sequences), min(sequences, default=None), max(sequences, default=None))
