"""What a test's providers need of EGRESS_ALLOW_HOSTS."""

from collections.abc import Container


class _Loopback(Container[str]):
    """Every port of this machine's own addresses."""

    def __contains__(self, host_and_port: object) -> bool:
        return str(host_and_port).rpartition(":")[0] in ("127.0.0.1", "localhost")


LOOPBACK: Container[str] = _Loopback()
