"""`python -m gateway_billing [serve] | migrate | import-prices | erase | quarantine | reconcile | export-month`."""

import argparse
import os
import sys
from pathlib import Path

import uvloop

from gateway_billing import (
    app,
    commands,
    database_command,
    erase_command,
    month_export,
    quarantine_commands,
    reconcile_command,
)
from gateway_billing.price_file import PriceFileInvalid
from gateway_billing.settings import BillingSettings, DatabaseSettings
from gateway_shared import canonical_log
from gateway_shared.settings import SettingsInvalid, read_settings


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "migrate":
            return uvloop.run(commands.migrate(read_settings(DatabaseSettings, os.environ)))
        if options.command == "import-prices":
            return uvloop.run(commands.import_prices(read_settings(DatabaseSettings, os.environ), options.files))
        if options.command == "erase":
            erasing = erase_command.erase(
                read_settings(DatabaseSettings, os.environ),
                tenant_id=options.tenant,
                name=options.end_user,
                pseudonym=options.pseudonym,
            )
            return uvloop.run(erasing)
        if hasattr(options, "act"):
            return uvloop.run(database_command.run(read_settings(DatabaseSettings, os.environ), options))
        settings = read_settings(BillingSettings, os.environ)
    except (SettingsInvalid, PriceFileInvalid) as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    canonical_log.configure("billing", settings.log_level)
    uvloop.run(app.serve(settings))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway_billing", description="The ledger of Agent Gateway.")
    commands_ = parser.add_subparsers(dest="command", metavar="command")
    commands_.add_parser("serve", help="consume usage events (the default)")
    commands_.add_parser("migrate", help="bring the schema billing up to date, as its owner")
    importing = commands_.add_parser("import-prices", help="import price files; the same content again is nothing")
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE")
    erasing = commands_.add_parser("erase", help="forget whom a pseudonym stands for, as the owner; amounts stay")
    erasing.add_argument("--tenant", required=True)
    whom = erasing.add_mutually_exclusive_group(required=True)
    whom.add_argument("--end-user", metavar="NAME", help="the id as the tenant's client sends it")
    whom.add_argument("--pseudonym", help="as in the column end_user")
    for module in (quarantine_commands, reconcile_command, month_export):
        module.add_to(commands_)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
