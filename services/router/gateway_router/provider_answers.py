"""What `/v1/providers` answers beside what it shows: heads, refusals, and the log line of a change."""

from dataclasses import dataclass

from gateway_router.provider_view import etag
from gateway_shared import canonical_log
from gateway_shared.errors import Conflict, JsonObject, ProviderNotFound, VersionMismatch
from gateway_shared.provider_call import ProviderCall


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer: `version` becomes the ETag."""

    body: JsonObject
    status: int = 200
    version: int | None = None
    location: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.version is not None:
            headers["ETag"] = etag(self.version)
        if self.location is not None:
            headers["Location"] = self.location
        return headers


def not_found(name: str, owner: str | None) -> ProviderNotFound:
    of_tenant = f" of tenant {owner}" if owner is not None else ""
    shown = "".join(filter(str.isprintable, name[:64]))
    return ProviderNotFound(f"There is no provider {shown}{of_tenant}.")


def outdated(call: ProviderCall, found: int) -> Conflict | VersionMismatch:
    if call.if_match is None:
        return Conflict("Somebody else changed it at the same moment: try again.")
    return VersionMismatch(f"If-Match names another version than the one that is there: {etag(found)}.")


def log_change(call: ProviderCall, name: str | None, owner: str | None, version: int) -> None:
    canonical_log.info(
        "providers changed" if call.action != "test" else "provider tested",
        action=call.action,
        request_id=call.request_id,
        by_tenant_id=call.caller.tenant_id,
        by_key_id=call.caller.key_id,
        provider=name,
        provider_tenant_id=owner,
        version=version,
    )
