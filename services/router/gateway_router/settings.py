"""The router's settings (docs/providers.md names those that an operator sets)."""

import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from gateway_shared.settings import Secret, SettingsInvalid, setting
from gateway_shared.tls import TlsFiles

_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class BrokerSettings:
    """What `replay` needs: the router's way to the broker."""

    tls_ca_file: Path = setting("TLS_CA_FILE")
    tls_cert_file: Path = setting("TLS_CERT_FILE")
    tls_key_file: Path = setting("TLS_KEY_FILE")
    amqp_url: str = setting("AMQP_URL")

    @property
    def tls_files(self) -> TlsFiles:
        return TlsFiles(self.tls_ca_file, self.tls_cert_file, self.tls_key_file)


@dataclass(frozen=True)
class DatabaseSettings:
    """What `migrate` needs, as the owner of the database."""

    tls_ca_file: Path = setting("TLS_CA_FILE")
    tls_cert_file: Path = setting("TLS_CERT_FILE")
    tls_key_file: Path = setting("TLS_KEY_FILE")
    postgres_dsn: str = setting("POSTGRES_DSN")

    @property
    def tls_files(self) -> TlsFiles:
        return TlsFiles(self.tls_ca_file, self.tls_cert_file, self.tls_key_file)


@dataclass(frozen=True)
class KeyRingSettings(DatabaseSettings):
    """What `rewrap` needs, as the router."""

    provider_key_ring_file: Path = setting("PROVIDER_KEY_RING_FILE")


@dataclass(frozen=True)
class RouterSettings:
    """Everything the router reads from its environment; names that end in `_s` are seconds."""

    tls_ca_file: Path = setting("TLS_CA_FILE")
    tls_cert_file: Path = setting("TLS_CERT_FILE")
    tls_key_file: Path = setting("TLS_KEY_FILE")
    journal_dir: Path = setting("JOURNAL_DIR")
    amqp_url: str = setting("AMQP_URL")
    postgres_dsn: str = setting("POSTGRES_DSN")

    deployment: str = setting("DEPLOYMENT", "agent-gateway")
    log_level: str = setting("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    drain_s: float = setting("DRAIN_S", 600.0)
    journal_reserve_bytes: int = setting("JOURNAL_RESERVE_BYTES", 16 * 1024 * 1024)
    host: str = setting("ROUTER_HOST", "127.0.0.1")
    port: int = setting("ROUTER_PORT", 8443)
    workers: int = setting("ROUTER_WORKERS", 1)
    ops_host: str = setting("ROUTER_OPS_HOST", "127.0.0.1")
    ops_port: int = setting("ROUTER_OPS_PORT", 9081)
    instance: str = setting("ROUTER_INSTANCE", socket.gethostname())

    openai_api_key: Secret | None = setting("OPENAI_API_KEY", None)
    anthropic_api_key: Secret | None = setting("ANTHROPIC_API_KEY", None)
    google_api_key: Secret | None = setting("GOOGLE_API_KEY", None)
    meta_api_key: Secret | None = setting("META_API_KEY", None)
    openai_base_url: str = setting("OPENAI_BASE_URL", "https://api.openai.com/v1")
    anthropic_base_url: str = setting("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    google_base_url: str = setting("GOOGLE_BASE_URL", "https://generativelanguage.googleapis.com")
    meta_base_url: str = setting("META_BASE_URL", "https://api.llama.com/compat/v1")
    egress_allow_hosts: tuple[str, ...] = setting("EGRESS_ALLOW_HOSTS", ())
    simulator_url: str | None = setting("SIMULATOR_URL", None)

    provider_key_ring_file: Path | None = setting("PROVIDER_KEY_RING_FILE", None)

    max_open_calls: int = setting("MAX_OPEN_CALLS", 10_000)
    abandoned_stream: str = setting("ABANDONED_STREAM", "close", choices=("close", "drain"))
    provider_client: str = setting("PROVIDER_CLIENT", "http1", choices=("http1", "aiohttp"))
    connect_timeout_s: float = setting("PROVIDER_CONNECT_TIMEOUT_S", 5.0)
    first_byte_timeout_s: float = setting("PROVIDER_FIRST_BYTE_TIMEOUT_S", 120.0)
    silence_timeout_s: float = setting("PROVIDER_SILENCE_TIMEOUT_S", 120.0)
    keep_alive_s: float = setting("KEEPALIVE_S", 15.0)
    call_timeout_s: float = setting("PROVIDER_CALL_TIMEOUT_S", 600.0)
    answers_max_bytes: int = setting("PROVIDER_ANSWERS_MAX_BYTES", 256 * 1024 * 1024)
    max_attempts: int = setting("PROVIDER_MAX_ATTEMPTS", 3)
    retry_budget: float = setting("PROVIDER_RETRY_BUDGET", 0.1)
    max_retry_after_s: float = setting("PROVIDER_MAX_RETRY_AFTER_S", 10.0)
    breaker_failures: int = setting("PROVIDER_BREAKER_FAILURES", 10)
    breaker_share: float = setting("PROVIDER_BREAKER_SHARE", 0.5)
    breaker_open_s: float = setting("PROVIDER_BREAKER_OPEN_S", 10.0)

    def __post_init__(self) -> None:
        variables = {
            "ROUTER_WORKERS": self.workers,
            "MAX_OPEN_CALLS": self.max_open_calls,
            "PROVIDER_ANSWERS_MAX_BYTES": self.answers_max_bytes,
            "PROVIDER_MAX_ATTEMPTS": self.max_attempts,
            "PROVIDER_BREAKER_FAILURES": self.breaker_failures,
        }
        problems = [f"{variable}: must be at least 1" for variable, value in variables.items() if value < 1]
        if not _INSTANCE.fullmatch(self.instance):
            problems.append(f"ROUTER_INSTANCE: {self.instance!r} is not a folder's name ({_INSTANCE.pattern})")
        if problems:
            raise SettingsInvalid(problems)

    def of_one_worker(self) -> "RouterSettings":
        """What bounds the whole router, shared out evenly."""
        return replace(
            self,
            max_open_calls=-(-self.max_open_calls // self.workers),
            answers_max_bytes=self.answers_max_bytes // self.workers,
        )

    @property
    def tls_files(self) -> TlsFiles:
        return TlsFiles(self.tls_ca_file, self.tls_cert_file, self.tls_key_file)
