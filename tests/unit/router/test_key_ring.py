"""Envelope encryption: what opens, what does not, and that nobody sees a secret by accident."""

import base64
import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_router.key_ring import KEY_BYTES, SecretUnreadable, parse_keys, read_key_ring
from gateway_router.sealed_secret import SealedSecret, SecretPlace
from gateway_shared.settings import Secret, SettingsInvalid
from tests.unit.router.stored import CANARY, configuration, ring, stored

PLACE = SecretPlace("acme", "openai", 7, 0, "openai", "https://api.openai.com/v1")
GOOD_KEY = base64.b64encode(b"k" * KEY_BYTES).decode()


def test_a_sealed_secret_opens_where_it_was_sealed_to() -> None:
    sealed = ring().seal(Secret(CANARY), PLACE)
    assert ring().open(sealed, PLACE).reveal() == CANARY
    assert CANARY.encode() not in sealed.ciphertext + sealed.wrapped_data_key


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, tenant_id=None),
        replace(PLACE, tenant_id="other"),
        replace(PLACE, provider="other"),
        replace(PLACE, version=8),
        replace(PLACE, key_number=1),
        replace(PLACE, kind="azure"),
        replace(PLACE, base_url="https://attacker.example/v1"),
    ],
)
def test_it_opens_nowhere_else(elsewhere: SecretPlace) -> None:
    sealed = ring().seal(Secret(CANARY), PLACE)
    with pytest.raises(SecretUnreadable):
        ring().open(sealed, elsewhere)


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sealed: replace(sealed, ciphertext=flipped(sealed.ciphertext, -1)),
        lambda sealed: replace(sealed, ciphertext=b""),
        lambda sealed: replace(sealed, wrapped_data_key=flipped(sealed.wrapped_data_key, 0)),
        lambda sealed: replace(sealed, wrapped_data_key=ring().seal(Secret("x"), PLACE).wrapped_data_key),
        lambda sealed: replace(sealed, ring_key_id="b"),
        lambda sealed: replace(sealed, ring_key_id="gone"),
    ],
)
def test_a_changed_one_does_not_open(spoil: Callable[[SealedSecret], SealedSecret]) -> None:
    both = ring("a", "b")
    with pytest.raises(SecretUnreadable) as refusal:
        both.open(spoil(both.seal(Secret(CANARY), PLACE)), PLACE)
    assert CANARY not in str(refusal.value)


def test_two_secrets_share_neither_data_key_nor_nonce() -> None:
    first, second = (ring().seal(Secret(CANARY), PLACE) for _ in range(2))
    assert first.ciphertext != second.ciphertext
    assert first.wrapped_data_key != second.wrapped_data_key


def test_after_a_rewrap_the_old_ring_key_is_not_needed() -> None:
    sealed = ring("a").seal(Secret(CANARY), PLACE)
    rewrapped = ring("b", "a").rewrap(sealed, PLACE)
    assert ring("b").open(rewrapped, PLACE).reveal() == CANARY
    with pytest.raises(SecretUnreadable, match="'a'"):
        ring("b").open(sealed, PLACE)


def test_a_secret_out_of_place_is_not_rewrapped() -> None:
    sealed = ring("a").seal(Secret(CANARY), PLACE)
    with pytest.raises(SecretUnreadable):
        ring("b", "a").rewrap(sealed, replace(PLACE, version=8))


def test_nothing_shows_a_secret_or_a_ring_key() -> None:
    sealed = stored("acme")
    shown = f"{ring('kkkk')!r} {ring('kkkk')} {sealed!r} {configuration(sealed)} {Secret(CANARY)!r} {Secret(CANARY)}"
    assert CANARY not in shown
    assert "k" * KEY_BYTES not in shown
    for refusing in (ring(), Secret(CANARY)):
        for dump in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                dump(refusing)


def test_the_first_key_of_the_file_seals_and_all_open(tmp_path: Path) -> None:
    file = tmp_path / "ring"
    file.write_text(
        f"# made in November\nnew {GOOD_KEY}\n\nold {base64.urlsafe_b64encode(bytes([251] * 32)).decode()}\n"
    )
    assert read_key_ring(file).current_id == "new"
    assert read_key_ring(file).seal(Secret(CANARY), PLACE).ring_key_id == "new"


def test_the_ring_follows_its_file_and_keeps_what_it_has_while_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "ring"
    file.write_text(f"old {GOOD_KEY}\n")
    following = read_key_ring(file)
    sealed = following.seal(Secret(CANARY), PLACE)
    for useless in ("", "half a li"):
        file.write_text(useless)
        assert following.open(sealed, PLACE).reveal() == CANARY
    file.unlink()
    assert following.seal(Secret(CANARY), PLACE).ring_key_id == "old"
    file.write_text(f"new {base64.b64encode(bytes(KEY_BYTES)).decode()}\nold {GOOD_KEY}\n")
    assert following.current_id == "new"
    assert following.open(following.rewrap(sealed, PLACE), PLACE).reveal() == CANARY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key"),
        ("\n# nothing\n", "no key"),
        (GOOD_KEY, "line 1 is not `<id> <key>`"),
        (f"a {GOOD_KEY}\na {GOOD_KEY}", "line 2 repeats"),
        (f"a/b {GOOD_KEY}", "line 1 is not"),
        ("a c2hvcnQ=", "5 bytes and not 32"),
        ("a not base64 at all", "not base64"),
    ],
)
def test_a_key_ring_that_protects_nothing_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_keys(text)
    file = tmp_path / "ring"
    file.write_text(text)
    with pytest.raises(SettingsInvalid, match="PROVIDER_KEY_RING_FILE") as refusal:
        read_key_ring(file)
    assert GOOD_KEY not in str(refusal.value)


def test_a_key_ring_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot read"):
        read_key_ring(tmp_path / "missing")
