"""What the commands that read and write the ledger have in common: one pool, and errors in a sentence."""

import argparse
import sys

from gateway_billing.database import DatabaseAway, DataRefused, NotAllowed
from gateway_billing.quarantine import NotResolved
from gateway_billing.settings import DatabaseSettings
from gateway_shared import postgres


async def run(settings: DatabaseSettings, options: argparse.Namespace) -> int:
    """`options.act` with a pool; its exit code. Asks for two connections at most."""
    pool = await postgres.create_pool(
        settings.postgres_dsn, settings.tls, application_name=f"gateway-billing {options.command}", max_size=2
    )
    try:
        return int(await options.act(pool, options))
    except NotResolved as error:
        print(error, file=sys.stderr)
    except NotAllowed as error:
        print(f"this is for the owner of the database, as `migrate` is: {error}", file=sys.stderr)
    except DatabaseAway as error:
        print(f"the database cannot be reached, or is not migrated: {error}", file=sys.stderr)
    except DataRefused as error:
        print(f"the database refuses this: {error}", file=sys.stderr)
    finally:
        await pool.close()
    return 1
