"""A process that appends to a journal as fast as it can, and says on standard output what it was promised.

`asked <id>`: the intent has returned; `settled <id>`: the settle is durable. It never ends by itself.
"""

import asyncio
import os
import sys
import uuid
from pathlib import Path

from gateway_router.journal import Journal
from gateway_router.journal.folder import JournalFolder
from tests.unit.router_journal.events import checkpoint, intent, settled

CALLS_AT_A_TIME = 50


def say(word: str, event_id: str) -> None:
    os.write(sys.stdout.fileno(), f"{word} {event_id}\n".encode())


async def calls(journal: Journal, worker: int) -> None:
    while True:
        event_id = str(uuid.uuid4())
        journal.intent(intent(event_id))
        say("asked", event_id)
        await asyncio.sleep(0.001 * (worker % 5))
        if worker % 2:
            journal.checkpoint(checkpoint(event_id, worker))
        await journal.settle(lambda producer, sequence, event_id=event_id: settled(event_id, producer, sequence))  # type: ignore[misc]
        say("settled", event_id)


async def main() -> None:
    folder = JournalFolder.create(Path(sys.argv[1]), instance="r1", boot=sys.argv[2])
    journal = Journal(folder, segment_bytes=64 * 1024)
    await asyncio.gather(*(calls(journal, worker) for worker in range(CALLS_AT_A_TIME)))


if __name__ == "__main__":
    asyncio.run(main())
