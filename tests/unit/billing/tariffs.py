"""Tariffs for tests: rules of a few words."""

from datetime import UTC, datetime
from typing import Any

import orjson

from gateway_billing.tariff_book import TariffBook, TariffVersion
from gateway_billing.tariff_file import TariffFile, parse_tariff_file

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FULL = {"partial": "full", "failed": "full", "unknown": "full", "estimated": "full"}


def markup(basis_points: int) -> dict[str, int]:
    return {"markup_bp": basis_points}


def fixed(usd_per_million: float) -> dict[str, int]:
    return {"nano_usd_per_million_tokens": round(usd_per_million * 10**9)}


def rule(channel: str = "*", plan: str = "*", **more: Any) -> dict[str, Any]:
    """Cost, whatever happens, where `more` says nothing else."""
    return {"channel": channel, "plan": plan, "rates": {"*": markup(10_000)}, "policies": FULL} | more


def tariff_content(
    *rules: dict[str, Any], volume_tiers: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "format": "agent-gateway-tariffs/1",
        "source": "a test",
        "source_version": "1",
        "effective_from": JANUARY.isoformat(),
        "rules": list(rules),
        "volume_tiers": volume_tiers or [],
    } | more


def tariff_file(*rules: dict[str, Any], **more: Any) -> TariffFile:
    return parse_tariff_file(orjson.dumps(tariff_content(*rules, **more)))


def tariff_book(*rules: dict[str, Any]) -> TariffBook:
    """One version, number 3, from January on."""
    return TariffBook([(TariffVersion(3, JANUARY), tariff_file(*rules).rules)])
