"""What is read from a request's head: credential, host, attribution; and pseudonyms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway_edge.attribution import attribution_of, clean
from gateway_edge.credential import CredentialMissing, CredentialsAmbiguous, credential_of
from gateway_edge.host import check_host
from gateway_edge.pseudonym import pseudonym_of
from gateway_shared.errors import BadRequest

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [(["Bearer k"], []), (["bearer  k "], []), (["BEARER k"], []), ([], ["k"]), ([], [" k "])],
)
def test_one_credential_is_read_from_either_header(authorization: list[str], x_api_key: list[str]) -> None:
    assert credential_of(authorization, x_api_key) == "k"


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [(["Bearer k", "Bearer k"], []), (["Bearer k"], ["k"]), ([], ["k", "k"]), ([""], ["k"]), (["Bearer k"], [""])],
)
def test_two_credentials_are_refused_even_when_alike(authorization: list[str], x_api_key: list[str]) -> None:
    with pytest.raises(CredentialsAmbiguous):
        credential_of(authorization, x_api_key)


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [([], []), ([""], []), (["Bearer"], []), (["Bearer "], []), (["Basic k"], []), (["k"], []), ([], [""])],
)
def test_no_credential_is_told_from_a_wrong_one(authorization: list[str], x_api_key: list[str]) -> None:
    with pytest.raises(CredentialMissing):
        credential_of(authorization, x_api_key)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "edge_1.example.com", "127.0.0.1:1", "[::1]:8080"])
def test_ordinary_hosts_are_taken(host: str) -> None:
    check_host([host], is_http_1_0=False)


@pytest.mark.parametrize(
    "host", ["", "a/b?", "a b", "a@b", "a:b", "a:123456", "http://a", "a#b", "a\\b", "[::1", "a\n"]
)
def test_odd_hosts_are_refused(host: str) -> None:
    with pytest.raises(BadRequest):
        check_host([host], is_http_1_0=False)


def test_a_host_is_needed_once() -> None:
    check_host([], is_http_1_0=True)
    for hosts in ([], ["a", "a"]):
        with pytest.raises(BadRequest):
            check_host(hosts, is_http_1_0=False)


def test_attribution_comes_from_headers_first_and_from_metadata_else() -> None:
    headers = CIMultiDict(
        {"x-agent-id": "planner", "Traceparent": TRACEPARENT, "X-Stainless-Retry-Count": "2", "X-Agent-Run-Id": " "}
    )
    said = attribution_of(headers, {"agent_id": "other", "agent_run_id": "run-1", "agent_parent_run_id": 7})
    assert (said.agent_id, said.agent_run_id, said.agent_parent_run_id) == ("planner", "run-1", None)
    assert (said.traceparent, said.retry_count) == (TRACEPARENT, 2)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "99999", "1" * 5_000])
def test_a_retry_count_that_makes_no_sense_is_0(text: str) -> None:
    assert attribution_of(CIMultiDict({"x-stainless-retry-count": text}), {}).retry_count == 0


@given(st.text(st.characters(), max_size=2_000))
def test_a_clients_word_becomes_a_short_printable_text_that_can_be_written_as_json(text: str) -> None:
    cleaned = clean(text)
    if cleaned is not None:
        assert cleaned.isprintable()
        assert 1 <= len(cleaned) <= 128
        cleaned.encode()


def test_a_pseudonym_is_the_same_within_a_tenant_and_differs_between_tenants() -> None:
    first = pseudonym_of("alice", tenant_id="a", pepper=b"pepper")
    assert first == pseudonym_of("alice", tenant_id="a", pepper=b"pepper")
    assert len({first, pseudonym_of("alice", tenant_id="b", pepper=b"pepper")}) == 2
    assert first != pseudonym_of("alice", tenant_id="a", pepper=b"other")
    assert "alice" not in first
