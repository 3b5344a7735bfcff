"""`python -m gateway_authority issue --directory DIR [--deployment NAME] [--days N] [role ...]`."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway_authority.directory import issue_directory
from gateway_authority.profile import DEFAULT_DEPLOYMENT, USAGES


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    unknown = [role for role in options.roles if role not in USAGES]
    if unknown:
        print(f"no such role: {', '.join(unknown)}; there are {', '.join(USAGES)}", file=sys.stderr)
        return 2
    issued = issue_directory(
        options.directory,
        deployment=options.deployment,
        roles=options.roles or list(USAGES),
        now=datetime.now(UTC),
        lifetime=timedelta(days=options.days),
    )
    print(f"issued: {', '.join(issued)}" if issued else "every certificate is current")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway_authority", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    issue = commands.add_parser("issue", help="issue what is missing, or past half its life")
    issue.add_argument("--directory", type=Path, required=True, help="where ca.pem, <role>.pem and <role>.key go")
    issue.add_argument("--deployment", default=DEFAULT_DEPLOYMENT, help="the name in every identity (%(default)s)")
    issue.add_argument("--days", type=int, default=90, help="how long a leaf is good (%(default)s)")
    issue.add_argument("roles", nargs="*", metavar="role", help=f"default: all of {', '.join(USAGES)}")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
