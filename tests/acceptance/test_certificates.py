"""Certificates that are renewed, or end, while everything runs (RELIABILITY: F14)."""

import asyncio
import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from gateway_shared.tls import client_context
from tests.acceptance.ledger import Ledger
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.stack import wait_until
from tests.acceptance.streams import StreamClient, finished, held, opened, provider_log, release, rows_of

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""How a connection to Postgres asks for TLS."""
STREAMS = 10
ROWS_WITHIN_S = 20.0
SHORT_S = (10, 30, 60)
"""Tried in turn: long enough for a service to start with it, and to be asked for TO_BE_ASKED_S."""
TO_BE_ASKED_S = 5
MENDED_WITHIN_S = 15.0


@pytest.fixture
def whole(owned: OwnedStack) -> Iterator[OwnedStack]:
    """All have good certificates again afterwards."""
    yield owned
    for role in ("edge", "router", "billing"):
        issue(owned, role)
    for service in (owned.router, owned.billing, owned.edge):
        service.wait_until_ready()


def issue(owned: OwnedStack, role: str, *, good_for: timedelta = timedelta(days=2)) -> int:
    """Replaces a role's certificate on disk; its serial number."""
    profile = replace(owned.certificates.profile(role), not_after=datetime.now(UTC) + good_for)
    files = owned.certificates.issue_odd(role, profile)
    return x509.load_pem_x509_certificate(files.cert_file.read_bytes()).serial_number


def serial_shown(owned: OwnedStack, port: int, *, greeting: bytes = b"") -> int:
    """Of the server's certificate in a new handshake; `greeting` asks a server for it that speaks plainly first."""
    context = client_context(owned.certificates.files("edge"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        if greeting:
            connection.sendall(greeting)
            assert connection.recv(1) == b"S"
        with context.wrap_socket(connection, server_hostname="localhost") as tls:
            shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


async def test_a_renewed_certificate_is_shown_in_new_handshakes_and_no_stream_is_dropped(
    whole: OwnedStack, owned_ledger: Ledger
) -> None:
    before = serial_shown(whole, whole.ports.router)
    streams = await opened(whole, whole.ports.edge, STREAMS, "words=5 hold_after=2")
    await held(whole, STREAMS)
    renewed = {role: issue(whole, role) for role in ("edge", "router", "billing")}
    assert serial_shown(whole, whole.ports.router) == renewed["router"] != before
    more = await opened(whole, whole.ports.edge, STREAMS, "words=3")
    await release(whole)
    await finished([*streams, *more])
    rows = await rows_of(owned_ledger, [*streams, *more], within_s=ROWS_WITHIN_S)
    asked = await provider_log(whole, [*streams, *more])
    print(f"{2 * STREAMS} clients, {len(asked)} calls at the provider, {len(rows)} events")
    assert all(stream.is_complete for stream in (*streams, *more))
    assert Counter(row["status"] for row in rows.values()) == {"settled": 2 * STREAMS}


async def test_postgres_and_rabbitmq_show_theirs_once_they_are_told(whole: OwnedStack) -> None:
    renewed = {role: issue(whole, role) for role in ("postgres", "rabbitmq")}
    folder = whole.home.folder / "postgres"
    for name in ("postgres.pem", "postgres.key"):  # its own copies, which belong to its account
        (folder / name).write_bytes((whole.home.certificates / name).read_bytes())
    os.kill(whole.postgres.pid, signal.SIGHUP)
    await asyncio.to_thread(whole.rabbitmq.control, "eval", "ssl:clear_pem_cache().")
    await asyncio.to_thread(
        wait_until,
        lambda: serial_shown(whole, whole.ports.postgres, greeting=_SSL_REQUEST) == renewed["postgres"],
        within_s=10,
        what="Postgres shows its new certificate",
    )
    assert serial_shown(whole, whole.ports.rabbitmq) == renewed["rabbitmq"]
    (client,) = await asked(whole)
    assert client.is_complete


@pytest.mark.parametrize("expiring", [pytest.param("edge", marks=pytest.mark.long), "router"])
async def test_an_expired_peer_gets_no_call_on_a_kept_connection_until_it_has_a_new_certificate(
    whole: OwnedStack, owned_ledger: Ledger, expiring: str
) -> None:
    ends_s = await restarted_with_a_short_one(whole, expiring)
    (first,) = await asked(whole)
    streams = await opened(whole, whole.ports.edge, STREAMS, "words=5 hold_after=2")
    await held(whole, STREAMS)
    await asyncio.sleep(ends_s + 1 - time.monotonic())
    refused = await asked(whole, 3)
    await release(whole)
    await finished(streams)
    issue(whole, expiring)
    again = await asked_until_taken(whole)
    taken = [first, *streams, again]
    rows = await rows_of(owned_ledger, taken, within_s=ROWS_WITHIN_S)
    asked_provider = await provider_log(whole, [*taken, *refused])
    print(f"{len(taken)} clients taken, {len(refused)} refused, {len(asked_provider)} calls, {len(rows)} events")
    assert first.is_complete
    assert {client.status for client in refused} == {503}
    assert not any(client.run_id in asked_provider for client in refused)
    assert all(stream.is_complete for stream in streams)
    assert {row["status"] for row in rows.values()} == {"settled"}


async def restarted_with_a_short_one(owned: OwnedStack, role: str) -> float:
    """When its certificate ends (monotonic seconds), in a while."""
    service = owned.edge if role == "edge" else owned.router
    for short_s in SHORT_S:
        service.stop()
        issue(owned, role, good_for=timedelta(seconds=short_s))
        ends_s = time.monotonic() + short_s
        service.launch()
        await asyncio.to_thread(service.wait_until_ready)
        if time.monotonic() < ends_s - TO_BE_ASKED_S:
            return ends_s
    raise AssertionError(f"{role} takes too long to start")


async def asked(owned: OwnedStack, count: int = 1) -> list[StreamClient]:
    clients = await opened(owned, owned.ports.edge, count, "words=1")
    await finished(clients)
    return clients


async def asked_until_taken(owned: OwnedStack) -> StreamClient:
    async with asyncio.timeout(MENDED_WITHIN_S):
        while True:
            (client,) = await asked(owned)
            if client.status == 200:
                return client
