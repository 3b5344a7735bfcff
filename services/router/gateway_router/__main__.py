"""`python -m gateway_router [serve] | export-prices --output FILE`."""

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gateway_router.settings import RouterSettings
from gateway_shared import canonical_log
from gateway_shared.settings import SettingsInvalid, read_settings


def main() -> int:
    options = _parser().parse_args()
    if options.command == "export-prices":
        from gateway_router.price_export import export_prices  # noqa: PLC0415 - works without litellm

        export_prices(options.output)
        return 0
    try:
        settings = read_settings(RouterSettings, os.environ)
        return _serve(settings)
    except SettingsInvalid as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return 2


def _serve(settings: RouterSettings) -> int:
    import uvloop  # noqa: PLC0415 - only a server needs it

    from gateway_router.providers import registered_providers  # noqa: PLC0415
    from gateway_router.start import start  # noqa: PLC0415

    canonical_log.configure("router", settings.log_level)
    registered_providers(settings)  # before anything slow: its problems are the operator's to mend
    return uvloop.run(start(settings, version=_version()))


def _version() -> str:
    try:
        return version("agent-gateway-router")
    except PackageNotFoundError:
        return "0+source"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway_router", description="The router of Agent Gateway.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the router (the default)")
    export = commands.add_parser("export-prices", help="write LiteLLM's price map in the ledger's format")
    export.add_argument("--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
