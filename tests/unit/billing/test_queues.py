"""Queue arguments that lose money when they are left to their defaults (RELIABILITY: mechanism 8)."""

import pytest

from gateway_billing.queues import DEAD_LETTER_QUEUE_ARGUMENTS, LEDGER_QUEUE_ARGUMENTS


@pytest.mark.parametrize("arguments", [LEDGER_QUEUE_ARGUMENTS, DEAD_LETTER_QUEUE_ARGUMENTS])
def test_no_queue_drops_an_event_by_default(arguments: dict[str, object]) -> None:
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-overflow"] == "reject-publish"
    assert isinstance(arguments["x-max-length-bytes"], int)
    assert isinstance(arguments["x-delivery-limit"], int)
    assert arguments["x-delivery-limit"] >= 1000


def test_the_delivery_limit_of_the_ledger_queue_leads_to_the_dead_letters_at_least_once() -> None:
    assert LEDGER_QUEUE_ARGUMENTS["x-dead-letter-exchange"] == "usage.dead-letter"
    assert LEDGER_QUEUE_ARGUMENTS["x-dead-letter-strategy"] == "at-least-once"
