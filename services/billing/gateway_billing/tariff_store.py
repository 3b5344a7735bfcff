"""Tariffs in Postgres: importing a file, loading all versions."""

from itertools import groupby
from operator import itemgetter

import asyncpg

from gateway_billing import statements
from gateway_billing.book_lock import changing_books
from gateway_billing.database import Connection, Pool, columns
from gateway_billing.newest_version import check_against_newest
from gateway_billing.tariff_book import TariffBook, TariffVersion
from gateway_billing.tariff_file import TariffFile
from gateway_billing.tariff_rule import Ask, FixedPrice, Markup, Policies, Selector, TariffRule


async def import_tariffs(pool: Pool, file: TariffFile, *, bundled: bool = False) -> int:
    """The new version's number. Raises NotImported."""
    async with changing_books(pool) as (connection, changed_at):
        newest = await connection.fetchrow(statements.SELECT_NEWEST_TARIFF_VERSION)
        check_against_newest(dict(newest) if newest else None, file.content_sha256, bundled=bundled)
        version_id: int = await connection.fetchval(
            statements.INSERT_TARIFF_VERSION,
            file.source,
            file.source_version,
            file.content_sha256,
            file.effective_from or changed_at,
            bundled,
        )
        await connection.execute(statements.INSERT_TARIFF_RULES, version_id, *columns(_rule_rows(file)))
        await connection.execute(statements.INSERT_TARIFF_RATES, version_id, *columns(_rate_rows(file)))
        if file.volume_tiers:
            await connection.execute(statements.INSERT_TARIFF_TIERS, version_id, *columns(_tier_rows(file)))
        return version_id


async def load_tariffs(connection: Connection) -> TariffBook:
    versions = await connection.fetch(statements.SELECT_TARIFF_VERSIONS)
    rates = await connection.fetch(statements.SELECT_TARIFF_RULES)
    rules: dict[int, list[TariffRule]] = {row["version_id"]: [] for row in versions}
    for (version_id, _), rows in groupby(rates, key=itemgetter("version_id", "rule")):
        rules[version_id].append(_rule(list(rows)))
    return TariffBook(
        (TariffVersion(row["version_id"], row["effective_from"]), rules[row["version_id"]]) for row in versions
    )


def _rule_rows(file: TariffFile) -> list[tuple[object, ...]]:
    return [
        (
            rule.number,
            rule.selector.channel,
            rule.selector.plan_id,
            rule.selector.provider,
            rule.selector.model,
            rule.policies.partial,
            rule.policies.failed,
            rule.policies.unknown,
            rule.policies.estimated,
            rule.note,
        )
        for rule in file.rules
    ]


def _rate_rows(file: TariffFile) -> list[tuple[object, ...]]:
    return [
        (
            rule.number,
            kind,
            ask.basis_points if isinstance(ask, Markup) else None,
            ask.nano_usd_per_million_tokens if isinstance(ask, FixedPrice) else None,
        )
        for rule in file.rules
        for kind, ask in rule.rates.items()
    ]


def _tier_rows(file: TariffFile) -> list[tuple[object, ...]]:
    return [
        (volume.selector.channel, volume.selector.plan_id, tier.above_tokens, tier.discount_bp)
        for volume in file.volume_tiers
        for tier in volume.tiers
    ]


def _rule(rows: list[asyncpg.Record]) -> TariffRule:
    first = rows[0]
    return TariffRule(
        number=first["rule"],
        selector=Selector(first["channel"], first["plan_id"], first["provider"], first["model"]),
        rates={row["token_kind"]: _ask(row) for row in rows},
        policies=Policies(
            partial=first["partial_policy"],
            failed=first["failed_policy"],
            unknown=first["unknown_policy"],
            estimated=first["estimated_policy"],
        ),
        note=first["note"],
    )


def _ask(row: asyncpg.Record) -> Ask:
    if row["markup_bp"] is not None:
        return Markup(row["markup_bp"])
    return FixedPrice(row["nano_usd_per_million_tokens"])
