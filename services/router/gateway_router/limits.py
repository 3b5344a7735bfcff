"""The time limits of a provider call, in seconds."""

from dataclasses import dataclass, replace

from gateway_router.configuration import Registration

ABANDONED_DRAIN_S = 60.0
ABANDONED_DRAIN_TOKENS = 2_000
CHECKPOINT_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class CallLimits:
    """`first_byte_s` counts for streams only: a plain answer takes as long as its generation, up to `call_s`.

    `silence_s` limits the wait for a stream's next bytes, and for a client that does not read.
    `keep_alive_s`: after that long without a byte for the client a stream gets a comment, 0 for none.
    `drains_abandoned`: a call whose client has left goes on, within limits, to learn the provider's own figure.
    """

    call_s: float = 600.0
    first_byte_s: float = 120.0
    silence_s: float = 120.0
    keep_alive_s: float = 15.0
    drains_abandoned: bool = False

    def at(self, registration: Registration) -> "CallLimits":
        """With what the registration says otherwise."""
        call_s, first_byte_s = registration.call_timeout_s, registration.first_byte_timeout_s
        silence_s = registration.silence_timeout_s
        if call_s is None and first_byte_s is None and silence_s is None:
            return self  # as nearly all are
        return replace(
            self,
            call_s=self.call_s if call_s is None else call_s,
            first_byte_s=self.first_byte_s if first_byte_s is None else first_byte_s,
            silence_s=self.silence_s if silence_s is None else silence_s,
        )
