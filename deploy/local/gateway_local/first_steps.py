"""What a stack needs before its services start, in order; each is safe to do again at every start."""

import base64
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway_local.command import tail_of
from gateway_local.failure import SetupFailed
from gateway_local.layout import CHECKOUT, Home
from gateway_local.private_file import read_json, write_json, write_private
from gateway_local.services import Services

PRICE_OVERRIDES = CHECKOUT / "deploy/prices/overrides.json"
TARIFFS = CHECKOUT / "deploy/prices/tariffs.json"


@dataclass(frozen=True, slots=True)
class SeedKey:
    """A key that a stack has from its first start; its name is its member of run.json."""

    name: str
    kind: str
    plan: str
    user: str


SEED_KEYS = (
    SeedKey("admin_key", kind="admin", plan="standard", user="admin"),
    SeedKey("standard_key", kind="gw", plan="standard", user="demo"),
    SeedKey("langchain_key", kind="langchain", plan="langchain", user="demo"),
)


def make_secrets(home: Home) -> None:
    """The pepper of the key digests, and the key ring of the providers' keys: made once, since these die with them."""
    home.secrets.mkdir(mode=0o700, exist_ok=True)
    pepper = home.secrets / "key_pepper"
    if not pepper.exists():
        write_private(pepper, secrets.token_urlsafe(32) + "\n")
    ring = home.secrets / "provider_key_ring"
    if not ring.exists():
        write_private(ring, f"k1 {base64.b64encode(secrets.token_bytes(32)).decode()}\n")


def migrate(services: Services) -> None:
    services.edge_command("migrate").run()
    services.router_command("migrate").run()
    services.billing_command("migrate").run()


def import_prices(services: Services, folder: Path) -> None:
    """LiteLLM's prices out of the router's environment, then our overrides and tariffs, into the ledger's books."""
    exported = folder / "prices.json"
    services.router_command("export-prices", "--output", str(exported)).run()
    services.billing_command("import-prices", "--bundled", str(exported), str(PRICE_OVERRIDES)).run()
    services.billing_command("import-tariffs", "--bundled", str(TARIFFS)).run()


def seed_keys(services: Services, home: Home) -> dict[str, str]:
    """The stack's keys by their name in run.json; those that are known stay."""
    keys: dict[str, str] = read_json(home.keys)
    for seed in SEED_KEYS:
        if seed.name not in keys:
            shown = services.edge_command(
                "keys", "create", "--tenant", "default", "--user", seed.user, "--kind", seed.kind, "--plan", seed.plan
            ).run()
            keys[seed.name] = printed_key(shown, seed.kind)
            write_json(home.keys, keys)
    return keys


def prepare_database(services: Services, home: Home) -> dict[str, str]:
    """Migrations, then prices and keys side by side; returns the keys."""
    migrate(services)
    with ThreadPoolExecutor() as pool:
        prices = pool.submit(import_prices, services, home.folder)
        keys = pool.submit(seed_keys, services, home)
        prices.result()
        return keys.result()


def printed_key(shown: str, kind: str) -> str:
    """The key that `keys create` printed on a line of its own. Raises SetupFailed."""
    found = re.search(rf"^{kind}-[0-9A-Za-z]{{49}}$", shown, re.MULTILINE)
    if found is None:
        raise SetupFailed(f"`keys create --kind {kind}` printed no key:\n{tail_of(shown)}")
    return found[0]
