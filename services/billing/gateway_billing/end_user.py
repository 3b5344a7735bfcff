"""An end user's name beside the pseudonym that stands for it in the ledger. Pure."""

from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True, order=True)
class EndUser:
    """`pseudonym` is unique in its tenant; `name` is the id as the tenant's client sent it."""

    tenant_id: str
    pseudonym: str
    name: str


def without_name(line: bytes) -> bytes:
    """The event without its end user's name, for the quarantine; what is no JSON object stays as it is."""
    if b"end_user_name" not in line:
        return line
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    if not isinstance(content, dict) or content.pop("end_user_name", None) is None:
        return line
    return orjson.dumps(content)
