"""`python -m gateway_router [serve] | migrate | rewrap | export-prices | journal list | journal show | replay`."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway_router import __version__, journal_arguments
from gateway_router.settings import RouterSettings
from gateway_shared import canonical_log
from gateway_shared.settings import SettingsInvalid, read_settings

if TYPE_CHECKING:
    from gateway_shared.workers.supervisor import Work

HOP_PATIENCE_S = 1.0
"""An edge has two connections and keeps them for minutes: a worker that comes a moment too late would get none."""


def main() -> int:
    options = _parser().parse_args()
    if options.command == "export-prices":
        from gateway_router.price_export import export_prices  # noqa: PLC0415 - works without litellm

        export_prices(options.output)
        return 0
    try:
        if options.command in ("journal", "replay"):
            from gateway_router import journal_commands  # noqa: PLC0415 - works without litellm

            return journal_commands.run(options)
        if options.command in ("migrate", "rewrap"):
            from gateway_router import database_commands  # noqa: PLC0415 - works without litellm

            return database_commands.run(options.command)
        settings = read_settings(RouterSettings, os.environ)
        return _serve(settings)
    except SettingsInvalid as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return 2


def _serve(settings: RouterSettings) -> int:
    from gateway_router.environment_providers import environment_configuration  # noqa: PLC0415 - only a server needs them
    from gateway_router.key_ring import read_key_ring  # noqa: PLC0415
    from gateway_shared.workers import Service, supervise  # noqa: PLC0415

    canonical_log.configure("router", settings.log_level)
    _check_journal_dir(settings)
    # before anything slow: problems of these are the operator's to mend
    environment_configuration(settings)
    if settings.provider_key_ring_file:
        read_key_ring(settings.provider_key_ring_file)
    return supervise(
        Service(
            name="router",
            version=__version__,
            workers=settings.workers,
            host=settings.host,
            port=settings.port,
            ops_host=settings.ops_host,
            ops_port=settings.ops_port,
            drain_s=settings.drain_s,
            patience_s=HOP_PATIENCE_S,
            load=partial(_load, settings),
        )
    )


def _load(settings: RouterSettings) -> "Work":
    from gateway_router.app import work  # noqa: PLC0415 - imports litellm (3 s)

    return partial(work, settings=settings, version=__version__)


def _check_journal_dir(settings: RouterSettings) -> None:
    """Raises SettingsInvalid where no journal can be kept: then nothing may be answered."""
    try:
        settings.journal_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.journal_dir / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsInvalid([f"JOURNAL_DIR: {settings.journal_dir} cannot be written: {error.strerror}"]) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway_router", description="The router of Agent Gateway.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the router (the default)")
    commands.add_parser("migrate", help="bring the schema up to date, as the owner of the database")
    commands.add_parser("rewrap", help="wrap every stored secret with the first key of the key ring")
    export = commands.add_parser("export-prices", help="write LiteLLM's price map in the ledger's format")
    export.add_argument("--output", type=Path, required=True)
    journal_arguments.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
