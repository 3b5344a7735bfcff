"""`python -m gateway_billing [serve]`, or one of the operator's commands; `--help` lists them."""

import argparse
import os
import sys

import uvloop

from gateway_billing import (
    close_month_command,
    database_command,
    erase_command,
    import_commands,
    migrate_command,
    month_export,
    price_commands,
    quarantine_commands,
    reconcile_command,
    rerate_command,
    retention_command,
)
from gateway_billing.book_file import BookFileInvalid
from gateway_billing.settings import BillingSettings, DatabaseSettings
from gateway_shared import canonical_log
from gateway_shared.settings import SettingsInvalid, read_settings

_COMMANDS = (
    import_commands,
    price_commands,
    rerate_command,
    close_month_command,
    quarantine_commands,
    reconcile_command,
    month_export,
    retention_command,
    erase_command,
)


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "migrate":
            return uvloop.run(migrate_command.migrate(read_settings(DatabaseSettings, os.environ)))
        if hasattr(options, "act"):
            return uvloop.run(database_command.run(read_settings(DatabaseSettings, os.environ), options))
        settings = read_settings(BillingSettings, os.environ)
    except (SettingsInvalid, BookFileInvalid) as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    from gateway_billing.app import serve  # noqa: PLC0415 - only the server needs aiohttp and aio-pika

    canonical_log.configure("billing", settings.log_level)
    uvloop.run(serve(settings))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway_billing", description="The ledger of Agent Gateway.")
    commands_ = parser.add_subparsers(dest="command", metavar="command")
    commands_.add_parser("serve", help="consume usage events (the default)")
    commands_.add_parser("migrate", help="bring the schema billing up to date, as its owner")
    for module in _COMMANDS:
        module.add_to(commands_)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
