"""The billing service as a process, the router's side of the queue, and the ledger as its reader sees it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from aio_pika import DeliveryMode, Message

from gateway_shared import postgres
from gateway_shared.topology import USAGE_EXCHANGE, USAGE_ROUTING_KEY
from gateway_shared.usage_event import UsageEvent
from tests.broker import channel_of
from tests.ports import free_ports
from tests.servers import Certificates, Postgres, RabbitMq, wait_until

WITHIN_S = 60.0


def environment(certificates: Certificates, database: Postgres, role: str) -> dict[str, str]:
    files = certificates.files(role)
    return {
        "PATH": os.environ["PATH"],
        "TLS_CA_FILE": str(files.ca_file),
        "TLS_CERT_FILE": str(files.cert_file),
        "TLS_KEY_FILE": str(files.key_file),
        "POSTGRES_DSN": database.dsn(role),
    }


def run_command(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway_billing", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class RunningBilling:
    """`python -m gateway_billing`, its log, its operations port."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        (self.ops_port,) = free_ports(1)
        self._env = env | {"BILLING_OPS_PORT": str(self.ops_port)}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway_billing"], env=self._env, stdout=log, stderr=log
            )

    def wait_ready(self) -> None:
        wait_until(lambda: self.get("/ready")[0] == 200, what="billing being ready", timeout_s=30)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(10)

    def end(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}{path}", timeout=3) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def log_lines(self) -> list[dict[str, Any]]:
        """The canonical lines so far; anything that is not JSON fails the test."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]


async def publish(server: RabbitMq, bodies: Iterable[bytes]) -> None:
    """As the router does: persistent, mandatory, confirmed."""
    async with channel_of(server, "router") as channel:
        exchange = await channel.get_exchange(USAGE_EXCHANGE, ensure=False)
        await asyncio.gather(
            *(
                exchange.publish(
                    Message(body, delivery_mode=DeliveryMode.PERSISTENT), USAGE_ROUTING_KEY, mandatory=True
                )
                for body in bodies
            )
        )


async def publish_events(server: RabbitMq, events: Sequence[UsageEvent]) -> None:
    await publish(server, [event.to_json() for event in events])


async def query(database: Postgres, role: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await postgres.connect(database.dsn(role), database.tls_files(role), application_name="test")
    try:
        rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        return rows
    finally:
        await connection.close()


async def rows_when(
    database: Postgres, sql: str, *arguments: object, enough: Callable[[list[asyncpg.Record]], bool]
) -> list[asyncpg.Record]:
    """The reader's rows as soon as they are enough."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        rows = await query(database, "billing_reader", sql, *arguments)
        if enough(rows):
            return rows
        assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {len(rows)} rows of {sql} {arguments}"
        await asyncio.sleep(0.05)


async def attempts_of(database: Postgres, producer: str, *, count: int) -> list[asyncpg.Record]:
    return await rows_when(
        database,
        "SELECT * FROM billing.attempts WHERE producer = $1 ORDER BY sequence",
        producer,
        enough=lambda rows: len(rows) >= count,
    )
