"""`erase`: nobody can tell any more from the database whom a pseudonym stands for; the amounts stay."""

import sys

from gateway_billing import end_user_store
from gateway_billing.database import DatabaseAway, DataRefused, Pool, borrowed
from gateway_billing.settings import DatabaseSettings
from gateway_shared import postgres

_TIMEOUT_S = 120.0
_REMAINS = """\
The name can still be in the routers' journals and the queue (what they bring is dropped; journals are kept for 72 h)
and in backups. Whoever holds the edge's KEY_PEPPER can still tell whether a pseudonym is that of an id they know."""


async def erase(settings: DatabaseSettings, *, tenant_id: str, name: str | None, pseudonym: str | None) -> int:
    """By name or by pseudonym, with the owner's certificate; 1 when the name is not known."""
    pool = await postgres.create_pool(
        settings.postgres_dsn,
        settings.tls,
        application_name="gateway-billing erase",
        max_size=1,
        command_timeout_s=_TIMEOUT_S,
    )
    try:
        if pseudonym is None:
            assert name is not None
            return await _erase_name(pool, tenant_id, name)
        return await _erase_pseudonym(pool, tenant_id, pseudonym)
    except (DatabaseAway, DataRefused) as error:
        print(f"the database cannot do it, or the certificate is not the owner's: {error}", file=sys.stderr)
        return 1
    finally:
        await pool.close()


async def _erase_name(pool: Pool, tenant_id: str, name: str) -> int:
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


async def _erase_pseudonym(pool: Pool, tenant_id: str, pseudonym: str) -> int:
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        await end_user_store.erase_pseudonym(connection, tenant_id, pseudonym)
    return await _finish(pool, tenant_id, [pseudonym])


async def _finish(pool: Pool, tenant_id: str, pseudonyms: list[str]) -> int:
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        await end_user_store.clean_up(connection)
    print(f"erased the name of {', '.join(pseudonyms)} of tenant {tenant_id}; amounts stay")
    print(_REMAINS)
    return 0
