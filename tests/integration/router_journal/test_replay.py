"""`replay` brings back what broker or database have lost, beside a living router."""

import asyncio
import os
import sys
from pathlib import Path

from tests.integration.router_journal.conftest import OpenMetering, until
from tests.integration.router_journal.ledger_queue import LedgerQueue
from tests.integration.router_journal.test_publishing import calls, is_published
from tests.servers import Certificates, RabbitMq


async def replay(
    journal_dir: Path, certificates: Certificates, url: str, *arguments: str
) -> tuple[int | None, list[str]]:
    """Its exit code, and what it says."""
    files = certificates.files("router")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway_router", "replay", "--journal", str(journal_dir), *arguments),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TLS_CA_FILE": str(files.ca_file),
            "TLS_CERT_FILE": str(files.cert_file),
            "TLS_KEY_FILE": str(files.key_file),
            "AMQP_URL": url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode().splitlines()


async def test_what_the_queue_lost_comes_back_from_living_and_dead_journals(
    open_router: OpenMetering,
    ledger_queue: LedgerQueue,
    rabbitmq_server: RabbitMq,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    async with open_router() as metering:
        ids = await calls(metering, 250)
        ended = metering.journal.producer
    async with open_router() as metering:
        ids |= await calls(metering, 130)
        living = metering.journal.producer
        await until(lambda: is_published(metering), what="everything published")
        await ledger_queue.purge()
        ledger_queue.marks.clear()

        code, said = await replay(tmp_path / "journal", certificates, rabbitmq_server.url)
        assert code == 0
        assert said[-1] == "380 events of 2 producers published and confirmed"
        assert set(said[:-1]) == {f"{ended}: 250 events (1-250)", f"{living}: 130 events (1-130)"}
        assert dict(await ledger_queue.take(ids)) == dict.fromkeys(ids, 1)
        while len(ledger_queue.marks) < 2:
            await ledger_queue.take_message()
        assert {(mark.producer, mark.sequence, mark.closed) for mark in ledger_queue.marks} == {
            (ended, 250, True),
            (living, 130, False),
        }


async def test_a_part_of_one_producer_can_be_replayed_and_counted_first(
    open_router: OpenMetering,
    ledger_queue: LedgerQueue,
    rabbitmq_server: RabbitMq,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    async with open_router() as metering:
        await calls(metering, 50)
        producer = metering.journal.producer
        await until(lambda: is_published(metering), what="everything published")
        await ledger_queue.purge()
    await ledger_queue.purge()
    part = ("--producer", producer, "--from-sequence", "11", "--to-sequence", "14")
    url = rabbitmq_server.url
    assert await replay(tmp_path / "journal", certificates, url, *part, "--dry-run") == (
        0,
        [f"{producer}: 4 events (11-14)", "4 events of 1 producers would be published"],
    )
    code, said = await replay(tmp_path / "journal", certificates, url, *part)
    assert (code, said[0]) == (0, f"{producer}: 4 events (11-14)")
    events = await ledger_queue.take_message()
    assert [event["sequence"] for event in events] == [11, 12, 13, 14], "the counting published nothing"


async def test_without_a_broker_it_says_so(
    open_router: OpenMetering, ledger_queue: LedgerQueue, certificates: Certificates, tmp_path: Path
) -> None:
    async with open_router() as metering:
        await calls(metering, 5)
        code, said = await replay(tmp_path / "journal", certificates, "amqps://localhost:1/")
    assert (code, said[-1]) == (1, "the broker did not confirm a message (lost); begin again")
    code, said = await replay(tmp_path / "journal", certificates, "amqps://localhost:1/", "--producer", "r1/nobody")
    assert (code, said) == (1, ["no journal of r1/nobody here"])
