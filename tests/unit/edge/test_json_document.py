"""JSON bodies: what is refused, and that nothing else changes a number."""

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.json_document import MAX_PATH_CHARACTERS, MAX_VALUES, parse_object
from gateway_shared.errors import BadRequest

FITS = st.integers(-(2**63), 2**64 - 1)
ANY_INTEGER = st.one_of(st.integers(-(2**66), 2**66), st.integers(-(10**40), 10**40), FITS)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text('a0\\"/u é😀\n', max_size=6)


def documents(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        st.one_of(st.none(), st.booleans(), TEXTS, numbers),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
        max_leaves=12,
    )
    return st.dictionaries(TEXTS, values, max_size=6)


def integers_in(value: object) -> list[int]:
    if isinstance(value, dict):
        return [found for member in value.values() for found in integers_in(member)]
    if isinstance(value, list):
        return [found for item in value for found in integers_in(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


@given(documents(st.one_of(FITS, NUMBERS)))
def test_what_goes_on_is_numerically_what_came(document: dict[str, Any]) -> None:
    came = json.dumps(document).encode()
    went_on = orjson.dumps(parse_object(came))
    assert json.loads(went_on) == document
    assert integers_in(json.loads(went_on)) == integers_in(document)


@given(documents(st.one_of(ANY_INTEGER, NUMBERS)))
def test_exactly_the_documents_with_an_integer_outside_64_bits_are_refused(document: dict[str, Any]) -> None:
    came = json.dumps(document).encode()
    if all(-(2**63) <= number < 2**64 for number in integers_in(document)):
        parse_object(came)
    else:
        with pytest.raises(BadRequest, match="64 bits"):
            parse_object(came)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"seed": 18446744073709551616}', "seed"),
        ('{"seed": -9223372036854775809}', "seed"),
        ('{"a": [1, {"b": 99999999999999999999999999}]}', "a[1].b"),
        ('{"a": 1.8446744073709552e19, "b": 123456789012345678901}', "b"),
        ('{"a": {"b": [[], {}]}, "c": [[0], {"d": 0}, [0, [123456789012345678901]]]}', "c[2][1][0]"),
        ('{"": {"a": 123456789012345678901}}', "a"),
    ],
)
def test_the_path_of_an_integer_that_does_not_fit_is_named(text: str, path: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_object(text.encode())
    assert refusal.value.param == path


@pytest.mark.parametrize(
    "number", ["1.8446744073709552e19", "-9.223372036854775808e18", "1e308", "36893488147419103232.0"]
)
def test_a_large_number_written_as_a_float_is_let_through(number: str) -> None:
    assert parse_object(f'{{"x": {number}}}'.encode()) == {"x": float(number)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1]",
        b"1",
        b"null",
        b'"text"',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e400}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} {"b": 2}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\x00"}',
        b"[" * 5_000,
    ],
)
def test_what_is_not_one_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_object(data)


@pytest.mark.parametrize("data", [b'{"a": ["\\u0000"]}', b'{"a\\u0000b": 1}', b'{"a": {"\\u0000": 1}}'])
def test_a_nul_character_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="NUL"):
        parse_object(data)


def test_the_text_of_an_escape_is_not_a_nul_character() -> None:
    assert parse_object(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


def test_depth_64_is_the_deepest() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + b"[" * (depth - 1) + b"1" + b"]" * (depth - 1) + b"}"

    parse_object(nested(64))
    with pytest.raises(BadRequest, match="nested deeper than 64"):
        parse_object(nested(65))


def test_no_refusal_quotes_the_body() -> None:
    for data in (b'{"secret prompt": }', b'{"a": "secret prompt \\u0000"}', b'["secret prompt"]', b'"secret prompt'):
        with pytest.raises(BadRequest) as refusal:
            parse_object(data)
        assert "secret" not in refusal.value.message


def long_name_beside_a_long_array(last: str) -> bytes:
    return f'{{"{"n" * 1_000_000}": [{"0," * 490_000}{last}]}}'.encode()


@pytest.mark.parametrize("last", ["1e300", '"\\\\u0000"'])
def test_a_long_name_beside_a_long_array_costs_no_more_than_their_bytes(last: str) -> None:
    data = long_name_beside_a_long_array(last)
    started_s = time.process_time()
    parse_object(data)
    assert time.process_time() - started_s < 5


@pytest.mark.parametrize("last", ["123456789012345678901", '"\\u0000"'])
def test_a_long_path_is_told_in_part(last: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_object(long_name_beside_a_long_array(last))
    assert refusal.value.param == "n" * MAX_PATH_CHARACTERS
    assert len(refusal.value.message) < 2 * MAX_PATH_CHARACTERS


def of_values(unit: str, count: int) -> bytes:
    return f'{{"a": [{unit * count}0]}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        of_values("{},", MAX_VALUES // 2),
        of_values("[ ],", MAX_VALUES // 2),
        of_values("0,", MAX_VALUES),
        of_values('"\\\\\\"[",', MAX_VALUES),
        of_values('"\\\\",', MAX_VALUES),
        of_values('{"a":1},', MAX_VALUES // 3),
    ],
    ids=["objects", "arrays", "numbers", "texts with a quote", "texts with a backslash", "members"],
)
def test_a_body_of_too_many_values_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="too many values"):
        parse_object(data)


@pytest.mark.parametrize(
    "data",
    [
        of_values('{"role":"user","content":"one, two: {} []"},', 20_000),
        of_values(f"[{'-0.0123456789,' * 1_535}0],", 600),
        of_values("0,", MAX_VALUES - 10),
        b'{"a": "' + b"1,2,[]{}:" * 300_000 + b'"}',
        b'{"a": "' + b'{\\"a\\": [\\\\]},' * 300_000 + b'"}',
        b'{"a": "' + b'\\\\\\",' * 1_100_000 + b'\\\\"}',
    ],
    ids=["messages", "embeddings", "numbers", "CSV in a text", "JSON in a text", "escapes"],
)
def test_marks_within_a_text_are_no_values(data: bytes) -> None:
    assert parse_object(data) == json.loads(data)
