"""`erase`: nobody can tell any more from the database whom a pseudonym stands for; the amounts stay."""

import argparse
import sys
from typing import TYPE_CHECKING

from gateway_billing import end_user_store
from gateway_billing.database import borrowed

if TYPE_CHECKING:
    from gateway_billing.database import Pool

_TIMEOUT_S = 120.0
_REMAINS = """\
The name can still be in the routers' journals and the queue (what they bring is dropped; journals are kept for 72 h)
and in backups. Whoever holds the edge's KEY_PEPPER can still tell whether a pseudonym is that of an id they know."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("erase", help="forget whom a pseudonym stands for, as the owner; amounts stay")
    parser.add_argument("--tenant", required=True)
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--end-user", metavar="NAME", help="as the column end_user_name shows it")
    whom.add_argument("--pseudonym", help="as in the column end_user")
    parser.set_defaults(act=_erase)


async def _erase(pool: "Pool", options: argparse.Namespace) -> int:
    """By name or by pseudonym; 1 when the name is not known."""
    if options.pseudonym is None:
        return await _erase_name(pool, options.tenant, options.end_user)
    return await _erase_pseudonym(pool, options.tenant, options.pseudonym)


async def _erase_name(pool: "Pool", tenant_id: str, name: str) -> int:
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        pseudonyms = await end_user_store.erase_name(connection, tenant_id, name)
        events, quarantined = await end_user_store.occurrences(connection, tenant_id, name)
    if events:
        print(f"{events} rows of the ledger are of schema version 1 and hold the name itself: they stay")
    if quarantined:
        print(f"{quarantined} rows in quarantine hold the name: settle them")
    if not pseudonyms:
        print(
            f"no end user of {tenant_id} is known by that name; it may yet come with an event that is on its way: give"
            " the pseudonym (python -m gateway_edge tenants pseudonym)",
            file=sys.stderr,
        )
        return 1
    return await _finish(pool, tenant_id, pseudonyms)


async def _erase_pseudonym(pool: "Pool", tenant_id: str, pseudonym: str) -> int:
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        await end_user_store.erase_pseudonym(connection, tenant_id, pseudonym)
    return await _finish(pool, tenant_id, [pseudonym])


async def _finish(pool: "Pool", tenant_id: str, pseudonyms: list[str]) -> int:
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        await end_user_store.clean_up(connection)
    print(f"erased the name of {', '.join(pseudonyms)} of tenant {tenant_id}; amounts stay")
    print(_REMAINS)
    return 0
