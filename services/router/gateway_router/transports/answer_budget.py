"""How much of providers' plain answers the router holds at once, over all calls. Pure.

A stream passes through; a plain answer is held whole, and its length is the provider's choice.
"""

from gateway_shared.errors import Overloaded

DEFAULT_MAX_BYTES = 256 * 1024 * 1024


class AnswersTooLarge(Overloaded):
    """The answers that are being received together are more than the gateway holds; ask again."""

    default_message = "The gateway holds as many bytes of providers' answers as it may; try again."


class AnswerBudget:
    """`held_bytes` of at most `max_bytes`; who took some gives it back."""

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0

    def take(self, size: int) -> None:
        """Raises AnswersTooLarge, and takes nothing then."""
        if self.held_bytes + size > self.max_bytes:
            raise AnswersTooLarge(retry_after_s=1)
        self.held_bytes += size

    def give_back(self, size: int) -> None:
        self.held_bytes -= size
