"""`make compose-credentials`: what a first user and the billing team need of a running compose stack.

Writes to `.local/compose` the billing reader's certificate and `credentials.json` (mode 0600; the names
are those of the local runner's `run.json`), and prints them. API keys are made the first time, and again
when the stack no longer knows them. Needs only Python and `docker compose`.
"""

import http.client
import json
import os
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

KEYS = {  # kind and plan of each
    "admin_key": ("admin", "standard"),
    "standard_key": ("gw", "standard"),
    "langchain_key": ("langchain", "langchain"),
}
OPERATIONS_PORTS = {"edge": 9080, "router": 9081, "billing": 9082}
CERTIFICATE_FILES = ("ca.pem", "billing_reader.pem", "billing_reader.key")
FIRST_REQUEST = '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello"}]}'
_TIMEOUT_S = 60


class StackNotRunning(Exception):
    """The compose stack does not answer; the text is docker's own."""


def main() -> int:
    folder = Path(os.environ.get("AGENT_GATEWAY_HOME") or ".local").absolute() / "compose"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        credentials = gather(folder)
    except StackNotRunning as error:
        print(f"{error}\nIs the stack up? docker compose up -d --wait", file=sys.stderr)
        return 1
    _show(folder, credentials)
    return 0


def gather(folder: Path) -> dict[str, object]:
    """Brings `folder` up to date with the running stack. Raises StackNotRunning."""
    edge_address = _address("edge", 8080)
    for name in CERTIFICATE_FILES:
        _compose("cp", f"certificates:/credentials/authority/{name}", str(folder / name))
    (folder / "billing_reader.key").chmod(0o600)
    saved = folder / "credentials.json"
    known = json.loads(saved.read_text()) if saved.exists() else {}
    if not _is_accepted(edge_address, known.get("standard_key")):
        known = {name: _create_key(kind, plan) for name, (kind, plan) in KEYS.items()}
    credentials: dict[str, object] = {
        "edge_url": f"http://{edge_address}",
        "ops_urls": {service: f"http://{_address(service, port)}" for service, port in OPERATIONS_PORTS.items()},
        **{name: known[name] for name in KEYS},
        "postgres_dsn": _dsn(folder, _address("postgres", 5432)),
    }
    saved.touch(mode=0o600)
    saved.write_text(json.dumps(credentials, indent=2) + "\n")
    return credentials


def _dsn(folder: Path, address: str) -> str:
    """For `psql` and every other libpq client; the folder's path is absolute."""
    parameters = {
        "sslmode": "verify-full",
        "sslrootcert": folder / "ca.pem",
        "sslcert": folder / "billing_reader.pem",
        "sslkey": folder / "billing_reader.key",
    }
    return f"postgresql://billing_reader@{address}/gateway?{urlencode(parameters, safe='/')}"


def _create_key(kind: str, plan: str) -> str:
    command = ("gateway", "keys", "create", "--tenant", "default", "--user", "operator", "--kind", kind, "--plan", plan)
    return _compose("exec", "-T", "edge", *command).splitlines()[-1].strip()


def _is_accepted(edge_address: str, key: str | None) -> bool:
    if key is None:
        return False
    connection = http.client.HTTPConnection(edge_address, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status != HTTPStatus.UNAUTHORIZED
    except OSError as error:
        raise StackNotRunning(f"{edge_address}: {error}") from error
    finally:
        connection.close()


def _address(service: str, port: int) -> str:
    return _compose("port", service, str(port)).strip()


def _compose(*arguments: str) -> str:
    done = subprocess.run(
        ["docker", "compose", *arguments], check=False, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    if done.returncode != 0:
        raise StackNotRunning(done.stderr.strip() or f"docker compose {arguments[0]}: status {done.returncode}")
    return done.stdout


def _show(folder: Path, credentials: dict[str, object]) -> None:
    width = max(map(len, KEYS))
    print(f"API keys (kept in {folder / 'credentials.json'}):")
    for name in KEYS:
        print(f"  {name:<{width}}  {credentials[name]}")
    print("\nThe first request:")
    print(f"  curl {credentials['edge_url']}/v1/chat/completions -H 'Content-Type: application/json' \\")
    print(f"    -H 'Authorization: Bearer {credentials['standard_key']}' -d '{FIRST_REQUEST}'")
    print("\nThe ledger, as the billing reader:")
    print(f"  psql '{credentials['postgres_dsn']}'")


if __name__ == "__main__":
    sys.exit(main())
