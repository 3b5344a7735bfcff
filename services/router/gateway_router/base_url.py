"""Where a provider may be: which base URLs are taken, and why another is not. Pure (SECURITY: outbound requests).

https only, no userinfo, ASCII, no private address; what the operator lists in EGRESS_ALLOW_HOSTS as an
exact `host:port` may also be plain http or private. Names are not resolved here: that is the
guard's business, at the moment of the connection (egress.py).
"""

import ipaddress
import re
from collections.abc import Container
from urllib.parse import SplitResult, urlsplit

from gateway_router.public_address import is_public

_DEFAULT_PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


class BaseUrlRefused(ValueError):
    """The text says what is wrong, in words."""


def check_base_url(url: str, *, allowed_hosts: Container[str]) -> str:
    """`url` without a trailing slash. Raises BaseUrlRefused."""
    parts = _split(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise BaseUrlRefused("it is not an https URL")
    if "@" in parts.netloc:
        raise BaseUrlRefused("it holds a user name or password")
    if "?" in url or "#" in url:
        raise BaseUrlRefused("it has a query or a fragment")
    if host_and_port(parts) not in allowed_hosts:
        _check_public(parts)
    return url.rstrip("/")


def host_and_port(parts: SplitResult) -> str:
    """`host:port` as EGRESS_ALLOW_HOSTS spells it, IPv6 addresses in brackets."""
    host = parts.hostname or ""
    return f"[{host}]:{_port(parts)}" if ":" in host else f"{host}:{_port(parts)}"


def _split(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BaseUrlRefused("it holds other characters than a URL may")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BaseUrlRefused("it is not a URL") from error
    if port == 0 or parts.netloc.endswith(":"):
        raise BaseUrlRefused("its port is none")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def _check_public(parts: SplitResult) -> None:
    hint = f"; an operator can allow it with EGRESS_ALLOW_HOSTS={host_and_port(parts)}"
    if parts.scheme != "https":
        raise BaseUrlRefused("it is plain http" + hint)
    host = (parts.hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        raise BaseUrlRefused("it is this machine" + hint)
    address = _address(host)
    if address is not None and not is_public(address):
        raise BaseUrlRefused("it is not a public address" + hint)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for a name. Raises BaseUrlRefused for what some resolver may take for an address, or for another name."""
    if "%" in host:
        raise BaseUrlRefused("its host holds a percent sign")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        # WHATWG URL, 3.5: a host whose last part is a number is an IPv4 address
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise BaseUrlRefused("its address has an unusual notation") from None
        if not _NAME.fullmatch(host):
            raise BaseUrlRefused("its host is no name of the DNS") from None
        return None
