"""`keys create|revoke|list`: API keys from the command line, on the database directly."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway_edge import key_store
from gateway_edge.grant_store import DATABASE_ERRORS
from gateway_edge.key_format import KEY_KINDS, RANDOM_BYTES, digest_of, make_key
from gateway_edge.settings import KeysSettings
from gateway_shared import postgres
from gateway_shared.ids import uuid7

Print = Callable[[str], None]

LONGEST_DAYS = 36_500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key and print it, once; makes tenant and user when missing")
    create.add_argument("--tenant", default="default")
    create.add_argument("--user", required=True)
    create.add_argument("--kind", required=True, choices=KEY_KINDS)
    create.add_argument("--plan", default="standard")
    create.add_argument("--expires-in-days", type=_days, default=None, help="default: never")
    revoke = actions.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("key_id")
    actions.add_parser("list", help="all keys, without the keys themselves")


async def run(arguments: argparse.Namespace, settings: KeysSettings, write: Print = print) -> int:
    """The exit status. The key alone is the last line that `create` writes."""
    try:
        connection = await postgres.connect(
            settings.postgres_dsn, settings.tls_files, application_name="gateway-edge-keys"
        )
        try:
            return await _act(connection, arguments, settings, write)
        finally:
            await connection.close()
    except key_store.KeyNotMade as error:
        return _failed(str(error))
    except DATABASE_ERRORS as error:
        return _failed(f"the database cannot be reached, or is not migrated: {error}")


async def _act(
    connection: key_store.Connection, arguments: argparse.Namespace, settings: KeysSettings, write: Print
) -> int:
    match arguments.action:
        case "create":
            text, key = _new_key(arguments, settings)
            await key_store.create_key(connection, key)
            write(f"key {key.key_id} of {key.tenant_id}/{key.user_id}, plan {key.plan_id}; it is shown only now:")
            write(text)
        case "revoke":
            if not await key_store.revoke_key(connection, arguments.key_id):
                return _failed(f"there is no live key {arguments.key_id}")
            write(f"revoked {arguments.key_id}")
        case _:
            for row in await key_store.list_keys(connection):
                write(_line(dict(row)))
    return 0


def _failed(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= LONGEST_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days above 0, {LONGEST_DAYS} at most")
    return days


def _new_key(arguments: argparse.Namespace, settings: KeysSettings) -> tuple[str, key_store.NewKey]:
    text = make_key(arguments.kind, os.urandom(RANDOM_BYTES))
    days = arguments.expires_in_days
    return text, key_store.NewKey(
        tenant_id=arguments.tenant,
        key_id=f"key_{uuid7(unix_ms=time.time_ns() // 1_000_000, random_bytes=os.urandom(10)).hex}",
        user_id=arguments.user,
        plan_id=arguments.plan,
        kind=arguments.kind,
        digest=digest_of(text, settings.key_pepper.reveal_bytes()),
        prefix=f"{arguments.kind}-",
        last_four=text[-4:],
        expires_at=datetime.now(UTC) + timedelta(days=days) if days is not None else None,
    )


def _line(row: dict[str, object]) -> str:
    state = "revoked" if row["revoked_at"] else "live"
    return (
        f"{row['key_id']}  {row['tenant_id']}/{row['user_id']}  {row['kind']}  {row['plan_id']}"
        f"  {row['prefix']}...{row['last_four']}  {state}  made {row['created_at']}  expires {row['expires_at']}"
    )
