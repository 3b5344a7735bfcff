"""The hop between edge and router: *request (head, body) -> response (head, chunks)*.

Names only. `hop_client` and `hop_server` are the two ends; under them `hop_link` multiplexes all calls
over a few mTLS connections, in the frames of `hop_frames`. Nothing else knows what is underneath.
"""

CHAT_COMPLETIONS = "chat.completions"
MODELS = "models"
PROVIDERS = "providers"
HEALTH = "health"
"""Answers 200 and nothing else: whoever can ask is connected and let in."""

OWN_ERROR = "x-hop-own-error"
"""A header field of answers that never leaves the hop: the error is the router's own, and another may well answer."""

ROUTER = "router"
"""The identity that answers."""


class HopLost(ConnectionError):
    """The other end cannot be reached, has cancelled, or went away in the middle."""


class HopRefused(HopLost):
    """The router does not let this identity call it."""
