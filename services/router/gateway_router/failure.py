"""How an attempt failed before anything of it was relayed, so that another one may take its place. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_router.attempt import Outcome
from gateway_router.retry_policy import Trouble
from gateway_router.transports.transport import AnswerNotTaken, KeptConnectionClosed, UpstreamCut
from gateway_shared.errors import GatewayError, ProviderAuthFailed


@dataclass(frozen=True, slots=True)
class Failure:
    """`error` and `headers` are for the client, `outcome` is for the ledger, should no other attempt follow."""

    trouble: Trouble
    error: GatewayError
    outcome: Outcome
    headers: Mapping[str, str] = field(default_factory=dict)


def trouble_of(error: GatewayError) -> Trouble | None:
    """Of what a provider said; None where it is the client's to mend."""
    if isinstance(error, ProviderAuthFailed):
        return "credential"
    if error.status == 429:
        return "rate_limit"
    return "status" if error.status == 408 or error.status >= 500 else None


def trouble_of_cut(error: UpstreamCut) -> Trouble | None:
    if isinstance(error, KeptConnectionClosed):
        return "kept_connection"
    return None if isinstance(error, AnswerNotTaken) else "cut"


def trouble_of_end(outcome: Outcome) -> Trouble | None:
    """What an attempt's end says against the provider; None for nothing."""
    match outcome.finish_state:
        case "not_sent":
            return "not_reached"
        case "upstream_cut":
            return "cut"
        case "timeout":
            return "timeout"
        case "upstream_error" if outcome.http_status == 429:
            return "rate_limit"
        case "upstream_error" if outcome.http_status in (401, 402, 403):
            return "credential"
        case "upstream_error" if not 300 <= outcome.http_status < 500:
            return "status"
        case _:
            return None
