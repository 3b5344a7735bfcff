import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_shared.ids import dashed, uuid7, uuid7_hex


@given(unix_ms=st.integers(0, 2**48 - 1), random_bytes=st.binary(min_size=10, max_size=10))
def test_a_uuid7_has_version_variant_and_time(unix_ms: int, random_bytes: bytes) -> None:
    made = uuid7(unix_ms=unix_ms, random_bytes=random_bytes)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == unix_ms


@given(unix_ms=st.integers(0, 2**48 - 1), random_bytes=st.binary(min_size=10, max_size=10))
def test_its_digits_made_as_text_are_the_same(unix_ms: int, random_bytes: bytes) -> None:
    made = uuid7(unix_ms=unix_ms, random_bytes=random_bytes)
    digits = uuid7_hex(unix_ms=unix_ms, random_bytes=random_bytes)
    assert (digits, dashed(digits)) == (made.hex, str(made))


def test_ids_sort_by_time() -> None:
    early = uuid7(unix_ms=1, random_bytes=b"\xff" * 10)
    late = uuid7(unix_ms=2, random_bytes=b"\x00" * 10)
    assert early < late
    assert str(early) < str(late)


def test_too_little_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7(unix_ms=0, random_bytes=b"")
