"""`tenants list|end-user-ids|pseudonym`: what the ledger may know of a tenant's end users."""

import argparse
import sys
from collections.abc import Callable

from gateway_edge import tenant_store
from gateway_edge.grant_store import DATABASE_ERRORS, NOT_ALLOWED
from gateway_edge.pseudonym import pseudonym_of
from gateway_edge.settings import DatabaseSettings, KeysSettings
from gateway_shared import postgres

Print = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="all tenants")
    choose = actions.add_parser(
        "end-user-ids", help="whether billing learns whom a pseudonym stands for; as the owner of the database"
    )
    choose.add_argument("--tenant", required=True)
    choose.add_argument("choice", choices=("plain", "pseudonyms"))
    show = actions.add_parser("pseudonym", help="how the ledger calls an end user")
    show.add_argument("--tenant", required=True)
    show.add_argument("--end-user", required=True, metavar="NAME", help="the id as the tenant's client sends it")


async def run(arguments: argparse.Namespace, settings: DatabaseSettings, write: Print = print) -> int:
    """The exit status."""
    try:
        connection = await postgres.connect(
            settings.postgres_dsn, settings.tls_files, application_name="gateway-edge-tenants"
        )
        try:
            return await _act(connection, arguments, write)
        finally:
            await connection.close()
    except NOT_ALLOWED as error:
        sys.stderr.write(f"not done: this is for the owner of the database, as `migrate` is: {error}\n")
        return 1
    except DATABASE_ERRORS as error:
        sys.stderr.write(f"not done: {error}\n")
        return 1


def show_pseudonym(arguments: argparse.Namespace, settings: KeysSettings, write: Print = print) -> int:
    """Needs the pepper and no database."""
    pepper = settings.key_pepper.reveal_bytes()
    write(pseudonym_of(arguments.end_user, tenant_id=arguments.tenant, pepper=pepper))
    return 0


async def _act(connection: tenant_store.Connection, arguments: argparse.Namespace, write: Print) -> int:
    if arguments.action == "end-user-ids":
        plain = arguments.choice == "plain"
        if not await tenant_store.set_plain_end_user_ids(connection, arguments.tenant, plain=plain):
            sys.stderr.write(f"there is no tenant {arguments.tenant}\n")
            return 1
        write(f"{arguments.tenant}: end users' ids are recorded {_how(plain)} from now on; what is recorded stays")
        return 0
    for row in await tenant_store.list_tenants(connection):
        write(f"{row['tenant_id']}  end users {_how(row['plain_end_user_ids'])}  made {row['created_at']}")
    return 0


def _how(plain: bool) -> str:
    return "by name, beside the ledger" if plain else "as pseudonyms only"
