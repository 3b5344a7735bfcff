"""Keys as text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.key_format import KEY_KINDS, KeyKind, digest_of, kind_of, make_key

RANDOM = st.binary(min_size=32, max_size=32)


@given(kind=st.sampled_from(KEY_KINDS), random_bytes=RANDOM)
def test_a_made_key_is_known_by_its_kind(kind: KeyKind, random_bytes: bytes) -> None:
    key = make_key(kind, random_bytes)
    assert re.fullmatch(rf"{kind}-[0-9A-Za-z]{{49}}", key)
    assert kind_of(key) == kind


@given(random_bytes=RANDOM, position=st.integers(0, 51), replacement=st.sampled_from("0aZ-é"))
def test_a_mistyped_character_is_noticed(random_bytes: bytes, position: int, replacement: str) -> None:
    key = make_key("gw", random_bytes)
    mistyped = key[:position] + replacement + key[position + 1 :]
    assert kind_of(mistyped) == ("gw" if mistyped == key else None)


@given(first=RANDOM, second=RANDOM)
def test_different_randomness_gives_different_keys(first: bytes, second: bytes) -> None:
    assert (make_key("gw", first) == make_key("gw", second)) == (first == second)


@pytest.mark.parametrize("text", ["", "gw-", "gw-" + "a" * 49, "langchain-x", "sk-" + "a" * 49, "gw-" + "a" * 4_000])
def test_other_texts_are_no_keys(text: str) -> None:
    assert kind_of(text) is None


def test_a_key_of_one_kind_cannot_be_renamed_to_another() -> None:
    assert kind_of(make_key("gw", bytes(32)).replace("gw-", "admin-")) is None


def test_a_line_break_after_a_key_is_not_a_key() -> None:
    assert kind_of(make_key("gw", bytes(32)) + "\n") is None


def test_the_digest_depends_on_the_whole_key_and_the_pepper() -> None:
    key = make_key("gw", bytes(32))
    assert len(digest_of(key, b"pepper")) == 32
    assert digest_of(key, b"pepper") != digest_of(key, b"other")
    assert digest_of(key, b"pepper") != digest_of(key[:-1], b"pepper")
