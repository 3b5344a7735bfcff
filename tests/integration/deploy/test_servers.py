"""Postgres and RabbitMQ as the runner configures them: who gets in, who does not, and that they can be killed."""

import asyncio
import gc
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aio_pika
import asyncpg
import pytest
from aiormq.exceptions import ChannelAccessRefused

from gateway_authority.authority import Authority
from gateway_authority.profile import LeafProfile
from gateway_shared import broker, postgres
from gateway_shared.tls import TlsFiles, client_context
from gateway_shared.topology import USAGE_EXCHANGE
from tests.servers import Certificates, Postgres, RabbitMq

REFUSED_BY_POSTGRES = (asyncpg.ConnectionDoesNotExistError, ssl.SSLError, ConnectionResetError)
"""In TLS 1.3 a client hears of a refusal after its own handshake: which error it is depends on timing."""

LOGIN_ROLES = ("operator", "edge", "router", "billing", "billing_reader")
RUN_TIME_ROLES = LOGIN_ROLES[1:]


async def query(server: Postgres, role: str, sql: str, files: TlsFiles | None = None) -> object:
    connection = await postgres.connect(server.dsn(role), files or server.tls_files(role), application_name="test")
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def odd_leaves(certificates: Certificates, role: str) -> dict[str, TlsFiles]:
    """Leaves that name `role` and must not be let in as it."""
    good, now = certificates.profile(role), datetime.now(UTC)
    profiles: dict[str, LeafProfile] = {
        "expired": replace(good, not_before=now - timedelta(days=2), not_after=now - timedelta(days=1)),
        "server-only usage": replace(good, usages=("server",)),
    }
    leaves = {case: certificates.issue_odd(f"odd-{case}", profile) for case, profile in profiles.items()}
    stranger = Authority.create("agent-gateway", now=now)
    return {**leaves, "another authority": certificates.issue_odd("odd-stranger", good, authority=stranger)}


@pytest.mark.parametrize("role", LOGIN_ROLES)
async def test_postgres_knows_each_role_by_its_certificate(postgres_server: Postgres, role: str) -> None:
    assert (
        await query(postgres_server, role, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "TLSv1.3"
    )


async def test_no_role_can_bypass_the_rules_and_run_time_roles_own_nothing(postgres_server: Postgres) -> None:
    mighty = (
        "SELECT array_agg(rolname::text) FROM pg_roles"
        " WHERE rolcanlogin AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)"
    )
    assert await query(postgres_server, "operator", mighty) == ["postgres"]
    for role in RUN_TIME_ROLES:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await query(postgres_server, role, "CREATE TABLE public.mine (a int)")


async def test_a_role_cannot_log_in_with_another_ones_certificate(
    postgres_server: Postgres, certificates: Certificates
) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await query(postgres_server, "operator", "SELECT 1", certificates.files("billing_reader"))


async def test_the_superuser_cannot_come_over_the_network(
    postgres_server: Postgres, certificates: Certificates
) -> None:
    files = certificates.issue_odd("odd-superuser", replace(certificates.profile("edge"), common_name="postgres"))
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no pg_hba"):
        await query(postgres_server, "postgres", "SELECT 1", files)


@pytest.mark.parametrize("case", ["expired", "server-only usage", "another authority"])
async def test_postgres_refuses_a_bad_leaf(postgres_server: Postgres, certificates: Certificates, case: str) -> None:
    with pytest.raises(REFUSED_BY_POSTGRES):
        await query(postgres_server, "edge", "SELECT 1", odd_leaves(certificates, "edge")[case])
    assert await query(postgres_server, "edge", "SELECT 1") == 1


async def test_postgres_refuses_plain_text_no_certificate_and_tls_1_2(
    postgres_server: Postgres, certificates: Certificates
) -> None:
    dsn = postgres_server.dsn("edge")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(dsn, ssl=False)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="valid client certificate"):
        await asyncpg.connect(dsn, ssl=anonymous(certificates))
    with pytest.raises(REFUSED_BY_POSTGRES):
        await asyncpg.connect(dsn, ssl=tls_1_2(certificates.files("edge")))


async def test_a_commit_survives_the_kill_of_postgres(postgres_server: Postgres) -> None:
    await query(postgres_server, "operator", "CREATE SCHEMA killed")
    pid = postgres_server.pid
    postgres_server.kill()
    with pytest.raises(OSError):
        await query(postgres_server, "operator", "SELECT 1")
    postgres_server.start()
    assert postgres_server.pid != pid
    await query(postgres_server, "operator", "DROP SCHEMA killed")


async def test_the_broker_knows_its_two_users_by_their_certificates(rabbitmq_server: RabbitMq) -> None:
    for user in ("router", "billing"):
        connection = await broker.connect(rabbitmq_server.url, rabbitmq_server.tls_files(user), name="test")
        await connection.close()
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        await broker.connect(rabbitmq_server.url, rabbitmq_server.tls_files("edge"), name="test")


async def test_a_refused_connection_leaves_nothing_to_be_closed_later(rabbitmq_server: RabbitMq) -> None:
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        await broker.connect(rabbitmq_server.url, rabbitmq_server.tls_files("edge"), name="test")
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_billing_owns_the_topology_and_the_router_may_only_publish(rabbitmq_server: RabbitMq) -> None:
    files = rabbitmq_server.tls_files
    async with await broker.connect(rabbitmq_server.url, files("billing"), name="test") as billing:
        channel = await billing.channel()
        exchange = await channel.declare_exchange(USAGE_EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True)
        queue = await channel.declare_queue("usage.test", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "usage.test")
        async with await broker.connect(rabbitmq_server.url, files("router"), name="test") as router:
            sender = await (await router.channel(publisher_confirms=True)).get_exchange(USAGE_EXCHANGE, ensure=False)
            await sender.publish(aio_pika.Message(b"{}", delivery_mode=2), "usage.test", timeout=5)
            with pytest.raises(ChannelAccessRefused):
                await (await router.channel()).declare_queue("usage.mine")
            unchecked = await (await router.channel()).get_queue("usage.test", ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await unchecked.get(timeout=5)
        message = await queue.get(timeout=5)
        assert message.body == b"{}"
        await message.ack()
        await queue.delete(if_unused=False, if_empty=False)
        await exchange.delete()


@pytest.mark.parametrize("case", ["expired", "server-only usage", "another authority"])
async def test_the_broker_refuses_a_bad_leaf(rabbitmq_server: RabbitMq, certificates: Certificates, case: str) -> None:
    with pytest.raises((aio_pika.exceptions.AMQPConnectionError, OSError)):
        await broker.connect(rabbitmq_server.url, odd_leaves(certificates, "router")[case], name="test")


async def test_the_broker_refuses_plain_text_no_certificate_and_tls_1_2(
    rabbitmq_server: RabbitMq, certificates: Certificates
) -> None:
    assert await asyncio.to_thread(greeting, rabbitmq_server.port, None) == b""
    assert await asyncio.to_thread(greeting, rabbitmq_server.port, anonymous(certificates)) == b""
    assert await asyncio.to_thread(greeting, rabbitmq_server.port, tls_1_2(certificates.files("router"))) == b""
    good = client_context(certificates.files("router"))
    assert await asyncio.to_thread(greeting, rabbitmq_server.port, good) == b"\x01"


async def test_the_broker_comes_back_after_a_kill(rabbitmq_server: RabbitMq) -> None:
    rabbitmq_server.kill()
    with pytest.raises(OSError):
        await broker.connect(rabbitmq_server.url, rabbitmq_server.tls_files("billing"), name="test")
    rabbitmq_server.start()
    connection = await broker.connect(rabbitmq_server.url, rabbitmq_server.tls_files("billing"), name="test")
    await connection.close()


def greeting(port: int, context: ssl.SSLContext | None) -> bytes:
    """The first byte of the broker's answer to AMQP's header; empty when it does not want to talk."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        with context.wrap_socket(connection, server_hostname="localhost") if context else connection as stream:
            stream.sendall(b"AMQP\x00\x00\x09\x01")
            first = stream.recv(1)
            return b"" if context is None and first == b"\x15" else first  # a TLS alert is no answer
    except (ssl.SSLError, ConnectionError):
        return b""


def anonymous(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.folder / "ca.pem"))


def tls_1_2(files: TlsFiles) -> ssl.SSLContext:
    context = client_context(files)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
