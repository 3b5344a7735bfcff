"""The router's metrics; the labels are closed sets: provider names, status classes and finish states."""

from gateway_shared.metrics import Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

CALLS = Counter(
    "gateway_router_calls", "Calls to providers, by the class of the provider's status.", ["provider", "status_class"]
)
ENDED = Counter("gateway_router_calls_ended", "Calls to providers, by how they ended.", ["provider", "finish_state"])
NOT_FROM_PROVIDER = Counter(
    "gateway_router_usage_not_from_provider",
    "Calls whose usage is not the provider's own figure.",
    ["provider", "usage_source"],
)
USAGE_CLAMPED = Counter(
    "gateway_router_usage_clamped", "Usage that was negative or absurd and has been clamped.", ["provider"]
)
DURATION = Histogram(
    "gateway_router_call_duration_seconds", "From the intent to the settle.", ["provider"], buckets=_SECONDS
)
TIME_TO_FIRST_TOKEN = Histogram(
    "gateway_router_time_to_first_token_seconds",
    "From the intent to the first bytes for the client.",
    ["provider"],
    buckets=_SECONDS,
)
OPEN_CALLS = Gauge(
    "gateway_router_open_calls", "Calls to providers that have not ended.", ["kind"], multiprocess_mode="livesum"
)
REFUSED = Counter(
    "gateway_router_calls_refused", "Calls that no provider was asked for, by the error's code.", ["code"]
)
RETRIES = Counter(
    "gateway_router_retries",
    "Attempts that asked the same model of the same provider again (perhaps with another key), by why.",
    ["provider", "reason"],
)
FALLBACKS = Counter(
    "gateway_router_fallbacks",
    "Attempts that went from this provider and model to another one, by why.",
    ["provider", "reason"],
)
RETRY_BUDGET_EXHAUSTED = Counter(
    "gateway_router_retry_budget_exhausted", "Calls that were not retried because too many others had been."
)
COOL_DOWNS = Counter(
    "gateway_router_cool_downs", "Keys of providers put to rest: rate_limit or credential.", ["provider", "reason"]
)
BREAKER_OPENED = Counter("gateway_router_breaker_opened", "Breakers that opened, by provider.", ["provider"])
BREAKERS_OPEN = Gauge(
    "gateway_router_breakers_open",
    "Models of the provider whose breaker is not closed, in the worker that has the most.",
    ["provider"],
    multiprocess_mode="livemax",
)
EGRESS_REFUSED = Counter(
    "gateway_router_egress_refused", "Connections not made because the address is none where a provider may be."
)
CONFIGURATION_VERSION = Gauge(
    "gateway_router_configuration_version",
    "Version of the providers that calls are routed by; of the worker that is furthest behind.",
    multiprocess_mode="livemin",
)
PROVIDER_CHANNEL_OPEN = Gauge(
    "gateway_router_provider_channel_open",
    "1 while every worker hears of changed providers.",
    multiprocess_mode="livemin",
)
PROVIDERS_UNUSABLE = Gauge(
    "gateway_router_providers_unusable",
    "Stored providers that cannot be called from here: /health says why.",
    multiprocess_mode="livemax",
)
CERT_EXPIRY = Gauge(
    "gateway_router_cert_expiry_seconds",
    "When this router's certificate ends, Unix time.",
    multiprocess_mode="livemin",
)
