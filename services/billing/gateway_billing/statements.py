"""The SQL statements of this service, read from `sql/*.sql`."""

from importlib.resources import files


def _text(name: str) -> str:
    return (files(__package__) / "sql" / f"{name}.sql").read_text()


INSERT_EVENTS = _text("insert_events")
INSERT_RATINGS = _text("insert_ratings")
INSERT_QUARANTINE = _text("insert_quarantine")
SELECT_QUARANTINE = _text("select_quarantine")
COUNT_NOT_RECORDED = _text("count_not_recorded")
INSERT_QUARANTINE_RESOLUTION = _text("insert_quarantine_resolution")
RECONCILE = _text("reconcile")
EXPORT_ATTEMPTS = _text("export_attempts")
EXPORT_STATEMENT = _text("export_statement")
EXPORT_USAGE = _text("export_usage")
INSERT_LATE_RATINGS = _text("insert_late_ratings")
INSERT_END_USERS = _text("insert_end_users")
ERASE_END_USER = _text("erase_end_user")
SELECT_OLD_MONTHS = _text("select_old_months")
COUNT_NAME = _text("count_name")
ERASE_PSEUDONYM = _text("erase_pseudonym")
UPSERT_MARKS = _text("upsert_marks")
SELECT_UNRATED = _text("select_unrated")
INSERT_UNRATED_OF_LAST_HOUR = _text("insert_unrated_of_last_hour")
INSERT_PRICE_VERSION = _text("insert_price_version")
INSERT_PRICES = _text("insert_prices")
SELECT_NEWEST_PRICE_VERSION = _text("select_newest_price_version")
SELECT_PRICE_VERSIONS = _text("select_price_versions")
SELECT_PRICES = _text("select_prices")
SELECT_USED_KINDS = _text("select_used_kinds")
COUNT_EVENTS_SINCE = _text("count_events_since")
SELECT_BOOK_VERSION = _text("select_book_version")
SELECT_VERSION_PRICES = _text("select_version_prices")
INSERT_TARIFF_VERSION = _text("insert_tariff_version")
INSERT_TARIFF_RULES = _text("insert_tariff_rules")
INSERT_TARIFF_RATES = _text("insert_tariff_rates")
INSERT_TARIFF_TIERS = _text("insert_tariff_tiers")
SELECT_NEWEST_TARIFF_VERSION = _text("select_newest_tariff_version")
SELECT_TARIFF_VERSIONS = _text("select_tariff_versions")
SELECT_TARIFF_RULES = _text("select_tariff_rules")
SELECT_EVENTS = _text("select_events")
SELECT_DIFFERENCES = _text("select_differences")
INSERT_REVISIONS = _text("insert_revisions")
INSERT_ADJUSTMENTS = _text("insert_adjustments")
SELECT_MONTH_BLOCKERS = _text("select_month_blockers")
SELECT_QUARANTINE_SINCE = _text("select_quarantine_since")
FREEZE_STATEMENT = _text("freeze_statement")
CLOSE_TENANTS = _text("close_tenants")
CLOSE_LEDGER = _text("close_ledger")
SELECT_NEWEST_VERSIONS = _text("select_newest_versions")
IS_CLOSED = _text("is_closed")
READ_BOOKS = "SELECT price_version, tariff_version, closed_month FROM billing.read_books()"
CHANGE_BOOKS = "SELECT billing.change_books()"
COUNT_DEFAULT_PARTITION = "SELECT count(*) FROM billing.event_default"
SELECT_RESOLUTION = "SELECT resolution FROM billing.quarantine_resolution WHERE raw_sha256 = $1"
SELECT_HOLDER = "SELECT event_id FROM billing.event WHERE producer = $1 AND sequence = $2"
DROP_MONTH = "SELECT billing.drop_month($1)"
INSERT_UNRATED = "INSERT INTO billing.unrated (event_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"
DELETE_UNRATED = "DELETE FROM billing.unrated WHERE event_id = ANY($1::uuid[])"
ENSURE_NEXT_PARTITION = "SELECT billing.ensure_next_partition()"
ADVANCE_CHECKPOINTS = "SELECT billing.advance_checkpoints()"
"""Each is one function or one table: a file would say no more."""
