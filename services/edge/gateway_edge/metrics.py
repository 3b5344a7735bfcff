"""The edge's metrics (Prometheus). Labels are closed sets: no key, no model as typed, no path."""

from typing import Literal, get_args

from gateway_shared.metrics import Counter, Gauge, Histogram

AuthResult = Literal["ok", "missing", "ambiguous", "malformed", "unknown", "wrong_kind", "unavailable", "abandoned"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

LANGCHAIN_REQUESTS = Counter("langchain_requests", "Authenticated chat requests of the LangChain channel")
LANGCHAIN_DURATION = Histogram(
    "langchain_request_duration_seconds",
    "Seconds from a LangChain chat request's head to the last byte of its answer",
    buckets=_SECONDS,
)
AUTH_OPERATIONS = Counter("auth_operations", "Requests that needed a key, by how that went", ["operation", "result"])
REQUESTS = Counter("gateway_edge_requests", "Answered requests of the public port", ["channel", "status_class"])
DURATION = Histogram(
    "gateway_edge_request_duration_seconds",
    "Seconds from a request's head to the last byte of its answer",
    ["channel"],
    buckets=_SECONDS,
)
IN_FLIGHT = Gauge(
    "gateway_edge_requests_in_flight", "Requests of the public port being answered", multiprocess_mode="livesum"
)
CONNECTIONS = Gauge("gateway_edge_connections", "Open connections of the public port", multiprocess_mode="livesum")
LIMITED = Counter("gateway_edge_limited_requests", "Requests refused by a key's limit", ["limit"])
SHED = Counter("gateway_edge_shed_requests", "Requests refused because too many were in flight")
GRANT_LOOKUPS = Counter("gateway_edge_grant_lookups", "Keys looked up in Postgres", ["result"])
GRANT_CHANNEL_OPEN = Gauge(
    "gateway_edge_grant_channel_open", "1 while changes of keys are announced to this edge", multiprocess_mode="livemin"
)
HOP_LOST = Counter("gateway_edge_hop_lost", "Calls that lost the router", ["moment"])
ROUTERS_EJECTED = Gauge(
    "gateway_edge_routers_ejected",
    "Routers that refuse, and are asked only now and then (hop_ejection)",
    multiprocess_mode="livemax",
)
CERTIFICATE_EXPIRY = Gauge(
    "gateway_cert_expiry_seconds",
    "Unix time at which a certificate expires",
    ["certificate"],
    multiprocess_mode="livemin",
)

for _result in get_args(AuthResult):
    AUTH_OPERATIONS.labels("authenticate", _result)
for _limit in ("rate", "concurrency"):
    LIMITED.labels(_limit)
for _result in ("found", "not_found", "unavailable"):
    GRANT_LOOKUPS.labels(_result)
for _moment in ("before_first_byte", "mid_stream"):
    HOP_LOST.labels(_moment)


def count_authentication(result: AuthResult) -> None:
    AUTH_OPERATIONS.labels("authenticate", result).inc()
