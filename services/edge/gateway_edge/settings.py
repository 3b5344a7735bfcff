"""Settings of the edge, read from the environment (docs/api.md lists what users may want to change)."""

from dataclasses import dataclass, replace
from pathlib import Path

from gateway_shared.hop_client import CONNECTIONS_PER_ROUTER
from gateway_shared.settings import Secret, SettingsInvalid, setting
from gateway_shared.tls import TlsFiles

_SHORTEST_PEPPER = 16


class Pepper(Secret):
    """What keys and end users' ids are hashed with; a guessable one would make the hashes guessable."""

    __slots__ = ()

    def __init__(self, value: str) -> None:
        if len(value) < _SHORTEST_PEPPER:
            raise ValueError(f"shorter than {_SHORTEST_PEPPER} characters; use 32 random bytes in hex")
        super().__init__(value)

    def reveal_bytes(self) -> bytes:
        return self.reveal().encode()


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """What every command needs."""

    tls_ca_file: Path = setting("TLS_CA_FILE")
    tls_cert_file: Path = setting("TLS_CERT_FILE")
    tls_key_file: Path = setting("TLS_KEY_FILE")
    postgres_dsn: str = setting("POSTGRES_DSN")
    log_level: str = setting("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))

    @property
    def tls_files(self) -> TlsFiles:
        return TlsFiles(self.tls_ca_file, self.tls_cert_file, self.tls_key_file)


@dataclass(frozen=True, kw_only=True)
class KeysSettings(DatabaseSettings):
    """For `keys`."""

    key_pepper: Pepper = setting("KEY_PEPPER")


@dataclass(frozen=True, kw_only=True)
class EdgeSettings(KeysSettings):
    """For `serve`. Times in seconds, sizes in bytes."""

    host: str = setting("EDGE_HOST", "127.0.0.1")
    port: int = setting("EDGE_PORT", 8080)
    workers: int = setting("EDGE_WORKERS", 1)
    ops_host: str = setting("EDGE_OPS_HOST", "127.0.0.1")
    ops_port: int = setting("EDGE_OPS_PORT", 9080)
    router_url: str = setting("ROUTER_URL", "https://localhost:8443")
    router_connections: int = setting("ROUTER_CONNECTIONS", CONNECTIONS_PER_ROUTER)
    public_metrics: bool = setting("EDGE_PUBLIC_METRICS", False)
    public_tls_cert: Path | None = setting("EDGE_TLS_CERT", None)
    public_tls_key: Path | None = setting("EDGE_TLS_KEY", None)
    max_body_bytes: int = setting("MAX_BODY_BYTES", 32 * 1024 * 1024)
    max_body_bytes_in_flight: int = setting("MAX_BODY_BYTES_IN_FLIGHT", 512 * 1024 * 1024)
    max_connections: int = setting("EDGE_MAX_CONNECTIONS", 10_000)
    max_requests_in_flight: int = setting("MAX_REQUESTS_IN_FLIGHT", 8_000)
    requests_per_minute: int = setting("REQUESTS_PER_MINUTE", 600)
    concurrent_requests: int = setting("CONCURRENT_REQUESTS", 50)
    operator_tenant: str = setting("OPERATOR_TENANT", "default")
    drain_s: float = setting("DRAIN_S", 600.0)
    drain_notice_s: float = setting("DRAIN_NOTICE_S", 5.0)

    def __post_init__(self) -> None:
        problems = []
        if (self.public_tls_cert is None) != (self.public_tls_key is None):
            problems.append("EDGE_TLS_CERT and EDGE_TLS_KEY: set both or neither")
        problems += [
            f"{variable}: must be at least 1"
            for variable, value in (
                ("EDGE_WORKERS", self.workers),
                ("ROUTER_CONNECTIONS", self.router_connections),
                ("REQUESTS_PER_MINUTE", self.requests_per_minute),
                ("CONCURRENT_REQUESTS", self.concurrent_requests),
                ("EDGE_MAX_CONNECTIONS", self.max_connections),
                ("MAX_REQUESTS_IN_FLIGHT", self.max_requests_in_flight),
                ("MAX_BODY_BYTES", self.max_body_bytes),
            )
            if value < 1
        ]
        if problems:
            raise SettingsInvalid(problems)

    def of_one_worker(self) -> "EdgeSettings":
        """What bounds the whole edge's memory, shared out evenly."""
        return replace(
            self,
            max_connections=-(-self.max_connections // self.workers),
            max_requests_in_flight=-(-self.max_requests_in_flight // self.workers),
            max_body_bytes_in_flight=max(self.max_body_bytes, self.max_body_bytes_in_flight // self.workers),
        )
