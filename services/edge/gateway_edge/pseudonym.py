"""End users' ids as the ledger shows them: HMACs keyed by tenant, so that no two tenants' rows can be joined.

Pure. The key of a tenant is derived from the pepper; the same id gives the same pseudonym within a tenant.
"""

import hashlib
import hmac

_PURPOSE = b"gateway end user\0"
_HEX_CHARACTERS = 32


def pseudonym_of(end_user: str, *, tenant_id: str, pepper: bytes) -> str:
    """`eu_` and 128 bits in hex."""
    tenant_key = hmac.digest(pepper, _PURPOSE + tenant_id.encode(), hashlib.sha256)
    digest = hmac.digest(tenant_key, end_user.encode(), hashlib.sha256)
    return f"eu_{digest.hex()[:_HEX_CHARACTERS]}"
