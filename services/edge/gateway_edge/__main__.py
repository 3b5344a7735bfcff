"""`python -m gateway_edge [serve] | migrate | keys create|revoke|list | tenants ...`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from gateway_edge import __version__, keys_command, tenants_command
from gateway_edge.settings import DatabaseSettings, EdgeSettings, KeysSettings
from gateway_shared import canonical_log, migrations, postgres
from gateway_shared.settings import SettingsInvalid, read_settings

if TYPE_CHECKING:
    from gateway_shared.workers.supervisor import Work

_T = TypeVar("_T")

SETTINGS_INVALID = 2


def main() -> int:
    arguments = _arguments()
    try:
        if arguments.command == "migrate":
            return _run(_migrate(read_settings(DatabaseSettings, os.environ)))
        if arguments.command == "keys":
            return _run(keys_command.run(arguments, read_settings(KeysSettings, os.environ)))
        if arguments.command == "tenants" and arguments.action == "pseudonym":
            return tenants_command.show_pseudonym(arguments, read_settings(KeysSettings, os.environ))
        if arguments.command == "tenants":
            return _run(tenants_command.run(arguments, read_settings(DatabaseSettings, os.environ)))
        settings = read_settings(EdgeSettings, os.environ)
    except SettingsInvalid as error:
        sys.stderr.write(f"The edge cannot start:\n{error}\n")
        return SETTINGS_INVALID
    return _serve(settings)


def _serve(settings: EdgeSettings) -> int:
    from gateway_shared.workers import Service, supervise  # noqa: PLC0415 - only a server needs aiohttp

    canonical_log.configure("edge", settings.log_level)
    return supervise(
        Service(
            name="edge",
            version=__version__,
            workers=settings.workers,
            host=settings.host,
            port=settings.port,
            ops_host=settings.ops_host,
            ops_port=settings.ops_port,
            drain_s=settings.drain_s,
            notice_s=settings.drain_notice_s,
            load=partial(_load, settings),
        )
    )


def _load(settings: EdgeSettings) -> "Work":
    from gateway_edge.limit_table import LimitTable  # noqa: PLC0415 - only a server needs them
    from gateway_edge.serve import work  # noqa: PLC0415

    table = LimitTable(settings.workers) if settings.workers > 1 else None
    return partial(work, settings=settings, table=table)


async def _migrate(settings: DatabaseSettings) -> int:
    connection = await postgres.connect(
        settings.postgres_dsn, settings.tls_files, application_name="gateway-edge-migrate"
    )
    try:
        applied = await migrations.migrate(connection, schema="edge", package="gateway_edge")
    finally:
        await connection.close()
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing to apply\n")
    return 0


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gateway_edge", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="the public API (default)")
    commands.add_parser("migrate", help="bring the database schema `edge` up to date, as its owner")
    keys_command.add_arguments(commands.add_parser("keys", help="API keys"))
    tenants_command.add_arguments(commands.add_parser("tenants", help="what is recorded of a tenant's end users"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
