"""The Host header field, looked at before anything else (RFC 9112, 3.2; CVE-2026-49468). Pure."""

import re
from collections.abc import Sequence

from gateway_shared.errors import BadRequest

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~-]{1,255})(?::[0-9]{1,5})?")


def check_host(hosts: Sequence[str], *, is_http_1_0: bool) -> None:
    """Raises BadRequest unless there is exactly one, a name or an address with an optional port."""
    if not hosts and is_http_1_0:
        return
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise BadRequest("The Host header is missing or not valid.")
