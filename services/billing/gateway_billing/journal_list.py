"""What `python -m gateway_router journal list --json` prints: the producers of one journal volume. Pure."""

import orjson

from gateway_billing.reconciliation import Held, Range


class JournalListInvalid(ValueError):
    """The bytes are no list of journals."""


def parse_journal_list(data: bytes) -> list[Held]:
    """Raises JournalListInvalid."""
    try:
        return [_held(entry) for entry in orjson.loads(data)]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise JournalListInvalid(f"not a list of journals: {error}") from error


def _held(entry: dict[str, object]) -> Held:
    producer, first, last, ended = (entry[name] for name in ("producer", "first_sequence", "last_sequence", "ended"))
    if not isinstance(producer, str) or not isinstance(ended, int):
        raise TypeError("producer is no text, or ended no number")
    events = Range(first, last) if isinstance(first, int) and isinstance(last, int) else None
    return Held(producer, events, ended)
