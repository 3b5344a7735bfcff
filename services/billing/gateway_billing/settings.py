"""Settings of the billing service (names and defaults: docs/operations.md)."""

from dataclasses import dataclass
from pathlib import Path

from gateway_shared.broker import RENEW_AFTER_S
from gateway_shared.settings import setting
from gateway_shared.tls import TlsFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """What the commands need."""

    tls_ca_file: Path = setting("TLS_CA_FILE")
    tls_cert_file: Path = setting("TLS_CERT_FILE")
    tls_key_file: Path = setting("TLS_KEY_FILE")
    postgres_dsn: str = setting("POSTGRES_DSN")
    log_level: str = setting("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))

    @property
    def tls(self) -> TlsFiles:
        return TlsFiles(self.tls_ca_file, self.tls_cert_file, self.tls_key_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSettings(DatabaseSettings):
    """What `serve` needs."""

    ops_host: str = setting("BILLING_OPS_HOST", "127.0.0.1")
    ops_port: int = setting("BILLING_OPS_PORT", 9082)
    amqp_url: str = setting("AMQP_URL")
    connection_max_age_s: float = setting("CONNECTION_MAX_AGE_S", RENEW_AFTER_S)
