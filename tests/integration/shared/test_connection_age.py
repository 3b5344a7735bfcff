"""Connections to Postgres and RabbitMQ grow old and are replaced, busy ones too, and then show what is on disk."""

import asyncio
import time
from pathlib import Path

import pytest
from cryptography import x509

from gateway_billing.subscription import TOO_OLD, SubscriptionEnded, connected, subscribed
from gateway_shared import postgres
from gateway_shared.tls import TlsFiles
from tests.servers import Certificates, Postgres, RabbitMq

SOON_S = 0.3


@pytest.fixture
def own_files(certificates: Certificates, tmp_path: Path) -> TlsFiles:
    """Billing's, copied, so that they can be replaced without anybody else noticing."""
    files = certificates.files("billing")
    own = TlsFiles(files.ca_file, tmp_path / "billing.pem", tmp_path / "billing.key")
    own.cert_file.write_bytes(files.cert_file.read_bytes())
    own.key_file.write_bytes(files.key_file.read_bytes())
    return own


async def test_a_busy_connection_to_postgres_is_replaced_and_shows_the_new_certificate(
    certificates: Certificates, postgres_server: Postgres, own_files: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "RENEW_AFTER_S", SOON_S)
    pool = await postgres.create_pool(postgres_server.dsn("billing"), own_files, application_name="test", max_size=1)
    async with pool:
        shown = "SELECT client_serial FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        first = int(await pool.fetchval(shown))
        renewed = certificates.authority.issue(certificates.profile("billing"))
        own_files.key_file.write_bytes(renewed.key_pem)
        own_files.cert_file.write_bytes(renewed.certificate_pem)
        async with asyncio.timeout(10):
            while (serial := int(await pool.fetchval(shown))) == first:
                continue
    assert serial == x509.load_pem_x509_certificate(renewed.certificate_pem).serial_number


async def test_a_subscription_ends_when_its_connection_is_too_old(
    rabbitmq_server: RabbitMq, certificates: Certificates
) -> None:
    files = certificates.files("billing")
    async with (
        connected(rabbitmq_server.url, files) as connection,
        subscribed(connection, until_s=time.monotonic() + SOON_S) as subscription,
        asyncio.timeout(10),
    ):
        with pytest.raises(SubscriptionEnded, match=TOO_OLD):
            await subscription.next_message()
