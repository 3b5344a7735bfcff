"""Names of the broker's objects; billing declares them, the router only publishes (RELIABILITY: mechanism 8).

Every name starts with `usage.`, which is what the broker's permissions are written against.
"""

USAGE_EXCHANGE = "usage.events"
USAGE_ROUTING_KEY = "usage.event"
LEDGER_QUEUE = "usage.ledger"
DEAD_LETTER_EXCHANGE = "usage.dead-letter"
DEAD_LETTER_QUEUE = "usage.dead-letter"

CONTENT_TYPE = "application/x-ndjson"
"""A message body: usage events, one JSON object a line."""
