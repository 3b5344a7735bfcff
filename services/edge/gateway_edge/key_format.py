"""API keys as text: `<kind>-` + 43 base62 characters (256 bits) + 6 of CRC32 (SECURITY: Keys and secrets).

Pure: randomness is an argument. The checksum keeps typing errors and guesses away from the database.
"""

import hashlib
import hmac
import re
import zlib
from typing import Literal, cast, get_args

KeyKind = Literal["gw", "langchain", "admin"]
KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
RANDOM_BYTES = 32

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARACTERS = 43
_CHECKSUM_CHARACTERS = 6
_KEY = re.compile(
    rf"({'|'.join(KEY_KINDS)})-([0-9A-Za-z]{{{_RANDOM_CHARACTERS}}})([0-9A-Za-z]{{{_CHECKSUM_CHARACTERS}}})"
)


def make_key(kind: KeyKind, random_bytes: bytes) -> str:
    """A key of that kind out of 32 random bytes."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes")
    unchecked = f"{kind}-{_base62(int.from_bytes(random_bytes, 'big'), _RANDOM_CHARACTERS)}"
    return unchecked + _checksum(unchecked)


def kind_of(key: str) -> KeyKind | None:
    """The kind that a well-formed key names; None for any other text."""
    match = _KEY.fullmatch(key)
    if match is None or _checksum(key[:-_CHECKSUM_CHARACTERS]) != match[3]:
        return None
    return cast("KeyKind", match[1])


def digest_of(key: str, pepper: bytes) -> bytes:
    """What is stored and looked up in place of the key: HMAC-SHA256, 32 bytes."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_CHARACTERS)


def _base62(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
