"""How a provider's test went, out of the usage event of its one call. Pure.

All words are ours: a provider's error may quote pieces of the key, and what it answers is for nobody to read.
"""

from typing import Literal

from gateway_shared.usage_event import UsageEvent

Result = Literal[
    "ok",
    "not_reached",
    "connection_broken",
    "timeout",
    "authentication_failed",
    "not_found",
    "rate_limited",
    "redirect",
    "request_refused",
    "provider_failed",
    "not_understood",
]

MESSAGES: dict[Result, str] = {
    "ok": "The provider answered.",
    "not_reached": "No connection came about: the host has no address, nobody listens there, TLS failed, or the address"
    " is none where a provider may be (then the router's log has it as refused: EGRESS_ALLOW_HOSTS).",
    "connection_broken": "The connection broke before the answer was complete.",
    "timeout": "The provider did not answer in time.",
    "authentication_failed": "The provider refused the key.",
    "not_found": "The provider knows no such model, or base_url is not where its API begins.",
    "rate_limited": "The provider answered that its limit is reached (429).",
    "redirect": "The provider answered with a redirect, which is never followed: register the address it leads to.",
    "request_refused": "The provider refused the request.",
    "provider_failed": "The provider failed.",
    "not_understood": "What came is not an answer of this kind of provider: see kind and base_url.",
}


def result_of(event: UsageEvent) -> Result:
    """Of an attempt that has ended."""
    match event.finish_state:
        case "complete":
            return "ok"
        case "not_sent":
            return "not_reached"
        case "timeout":
            return "timeout"
        case "upstream_error" if event.http_status:
            return _result_of_status(event.http_status)
        case _:
            return "connection_broken"


def _result_of_status(status: int) -> Result:
    match status:
        case 401 | 402 | 403:
            return "authentication_failed"
        case 404 | 405:
            return "not_found"
        case 408 | 504:
            return "timeout"
        case 429:
            return "rate_limited"
    if status >= 500:
        return "provider_failed"
    if status >= 400:
        return "request_refused"
    return "redirect" if status >= 300 else "not_understood"
