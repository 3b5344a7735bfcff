"""What the load generator's line means."""

import json

import pytest

from bench.load import LoadFailed, Percentiles, parsed

TOLD = {
    "finished": 10,
    "chunks": 0,
    "refused": 0,
    "errors": 0,
    "first_error": "",
    "seconds": 1.5,
    "latency_ms": {"p50": 1, "p95": 2, "p99": 3, "max": 4},
    "first_token_ms": None,
    "chunk_delay_ms": None,
    "refusal_ms": None,
}


def test_a_run_without_streams_has_latencies_only() -> None:
    outcome = parsed(json.dumps(TOLD).encode())
    assert (outcome.finished, outcome.seconds, outcome.latency) == (10, 1.5, Percentiles(1, 2, 3, 4))
    assert outcome.first_token is None


@pytest.mark.parametrize("wrong", [{"errors": 1, "first_error": "HTTP/1.1 500"}, {"finished": 0}])
def test_one_wrong_answer_spoils_the_run(wrong: dict[str, object]) -> None:
    with pytest.raises(LoadFailed, match="failed"):
        parsed(json.dumps({**TOLD, **wrong}).encode())
