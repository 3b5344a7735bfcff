"""Our price format: what is accepted, what is refused, and that the overrides we ship are sound."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway_billing.book_file import BookFileInvalid
from gateway_billing.price_file import parse_price_file
from gateway_billing.pricing import RateKey

OVERRIDES = Path(__file__).parents[3] / "deploy" / "prices" / "overrides.json"


def content(**changes: Any) -> dict[str, Any]:
    model = {
        "provider": "meta",
        "model": "Llama-3.3-70B-Instruct",
        "aliases": ["llama-turbo"],
        "source": "https://example.com/prices",
        "source_date": "2026-11-23",
        "rates": {"standard": {"0": {"input": 880_000_000, "output": 880_000_000}}},
    }
    file = {
        "format": "agent-gateway-prices/1",
        "book": "overrides",
        "precedence": 100,
        "source": "by hand",
        "source_version": "1",
        "effective_from": "2026-01-01T00:00:00Z",
        "models": [model | changes.pop("model", {})],
    }
    return file | changes


def test_a_model_and_its_aliases_are_read() -> None:
    file = parse_price_file(orjson.dumps(content()))
    assert [price.model for price in file.models] == ["Llama-3.3-70B-Instruct", "llama-turbo"]
    assert file.models[1].rates == {RateKey("input"): 880_000_000, RateKey("output"): 880_000_000}
    assert file.models[0].source_date == date(2026, 11, 23)
    assert file.effective_from == datetime(2026, 1, 1, tzinfo=UTC)


def test_white_space_does_not_make_another_content() -> None:
    plain = parse_price_file(orjson.dumps(content()))
    indented = parse_price_file(orjson.dumps(content(), option=orjson.OPT_INDENT_2))
    other = parse_price_file(orjson.dumps(content(source_version="2")))
    assert plain.content_sha256 == indented.content_sha256 != other.content_sha256


def test_an_alias_written_out_does_not_make_another_content() -> None:
    plain = parse_price_file(orjson.dumps(content()))
    written_out = content()
    aliases = written_out["models"][0].pop("aliases")
    written_out["models"] += [written_out["models"][0] | {"model": alias} for alias in aliases]
    written_out["models"].reverse()
    assert parse_price_file(orjson.dumps(written_out)).content_sha256 == plain.content_sha256


def test_a_rate_of_zero_is_accepted_only_with_a_mark() -> None:
    zero = {"rates": {"standard": {"0": {"input": 0}}}}
    with pytest.raises(BookFileInvalid, match='"free": true'):
        parse_price_file(orjson.dumps(content(model=zero)))
    free = parse_price_file(orjson.dumps(content(model=zero | {"free": True})))
    assert free.models[0].rates == {RateKey("input"): 0}


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"rates": {"standard": {"0": {"input": 0.88}}}}, "not a rate in integer nano-USD"),
        ({"rates": {"standard": {"0": {"input": True}}}}, "not a rate"),
        ({"rates": {"standard": {"0": {"input": -1}}}}, "not a rate"),
        ({"rates": {"standard": {"0": {"input": 10**16}}}}, "not a rate"),
        ({"rates": {"standard": {"0": {"prompt": 1}}}}, "'prompt' is not one of input"),
        ({"rates": {"standard": {"200k": {"input": 1}}}}, "'200k' is not a number of tokens"),
        ({"rates": {"standard": 1}}, "not an object of thresholds"),
        ({"rates": {}}, '"rates" is empty'),
        ({"source": None}, '"source" is not a text'),
        ({"model": "nul\0"}, '"model" is not a text'),
        ({"aliases": "x"}, '"aliases" is not a list'),
        ({"aliases": ["LLAMA-3.3-70b-instruct"]}, "is there twice"),
        ({"source_date": "yesterday"}, "Invalid isoformat"),
    ],
)
def test_a_wrong_model_is_named_with_its_problem(model: dict[str, Any], problem: str) -> None:
    with pytest.raises(BookFileInvalid, match=problem):
        parse_price_file(orjson.dumps(content(model=model)))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "not JSON"),
        (b"[]", "format"),
        (orjson.dumps(content(format="other/1")), "format"),
        (orjson.dumps(content(precedence="high")), '"precedence" is not a int'),
        (orjson.dumps(content(effective_from="soon")), "RFC 3339"),
        (orjson.dumps(content(effective_from="2026-01-01T00:00:00")), "no time zone"),
    ],
)
def test_a_file_of_another_form_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(BookFileInvalid, match=problem):
        parse_price_file(data)


def test_all_problems_are_reported_together() -> None:
    file = content()
    file["models"] += [{"provider": "x"}, 7]
    with pytest.raises(BookFileInvalid) as caught:
        parse_price_file(orjson.dumps(file))
    assert len(caught.value.problems) == 2


def test_our_overrides_price_every_model_of_metas_llama_api_with_source_and_date() -> None:
    file = parse_price_file(OVERRIDES.read_bytes())
    meta = {price.model for price in file.models if price.provider == "meta"}
    assert meta >= {
        "Llama-4-Maverick-17B-128E-Instruct-FP8",
        "Llama-4-Scout-17B-16E-Instruct-FP8",
        "Llama-3.3-70B-Instruct",
        "Llama-3.3-8B-Instruct",
        "Llama-3.3-70B-Instruct-Turbo",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    }
    assert all(price.source and price.source_date for price in file.models)
    assert file.precedence > 0
