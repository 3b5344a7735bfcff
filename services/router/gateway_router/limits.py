"""The time limits of a provider call, in seconds."""

from dataclasses import dataclass

ABANDONED_DRAIN_S = 60.0
ABANDONED_DRAIN_TOKENS = 2_000
CHECKPOINT_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class CallLimits:
    """`first_byte_s` counts for streams only: a plain answer takes as long as its generation, up to `call_s`.

    `silence_s` limits the wait for a stream's next bytes, and for a client that does not read.
    `drains_abandoned`: a call whose client has left goes on, within limits, to learn the provider's own figure.
    """

    call_s: float = 600.0
    first_byte_s: float = 120.0
    silence_s: float = 120.0
    drains_abandoned: bool = False
