"""The key ring: the keys that wrap the data keys of stored secrets, from a file that only routers read.

One key a line, `<id> <256 bits in base64>`; empty lines and lines that start with `#` do not count. The first key
seals; the others only open what was sealed before (docs/operations.md, "Stored providers and the key ring").
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway_router.sealed_secret import SealedSecret, SecretPlace
from gateway_shared import canonical_log
from gateway_shared.settings import Secret, SettingsInvalid

KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class SecretUnreadable(Exception):
    """A sealed secret does not open: its ring key is missing, or it is not where it was sealed to."""


class KeyRing:
    """Seals and opens; shows its keys to nobody. `keys` by id, the one that seals first."""

    __slots__ = ("_ciphers", "_current_id")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._hold(keys)

    @property
    def current_id(self) -> str:
        self._look()
        return self._current_id

    def seal(self, secret: Secret, place: SecretPlace) -> SealedSecret:
        """Under a new data key. What it gives opens at `place` only."""
        self._look()
        data_key = AESGCM.generate_key(KEY_BYTES * 8)
        ciphertext = _encrypt(AESGCM(data_key), secret.reveal().encode(), place)
        return SealedSecret(self._current_id, self._wrap(data_key, place), ciphertext)

    def open(self, sealed: SealedSecret, place: SecretPlace) -> Secret:
        """Raises SecretUnreadable."""
        self._look()
        data_key = AESGCM(self._unwrap(sealed, place))
        return Secret(_decrypt(data_key, sealed.ciphertext, place).decode())

    def rewrap(self, sealed: SealedSecret, place: SecretPlace) -> SealedSecret:
        """The same secret under the same data key, which the current ring key wraps now. Raises SecretUnreadable."""
        self._look()
        data_key = self._unwrap(sealed, place)
        _decrypt(AESGCM(data_key), sealed.ciphertext, place)  # what does not open is reported, not carried over
        return SealedSecret(self._current_id, self._wrap(data_key, place), sealed.ciphertext)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key ring is not pickled")

    def _hold(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current_id = next(iter(keys))

    def _look(self) -> None:
        """Before each use; a ring that is given its keys has nowhere to look."""

    def _wrap(self, data_key: bytes, place: SecretPlace) -> bytes:
        return _encrypt(self._ciphers[self._current_id], data_key, place)

    def _unwrap(self, sealed: SealedSecret, place: SecretPlace) -> bytes:
        try:
            cipher = self._ciphers[sealed.ring_key_id]
        except KeyError:
            raise SecretUnreadable(f"the key ring has no key {sealed.ring_key_id!r}") from None
        return _decrypt(cipher, sealed.wrapped_data_key, place)


class KeyRingFile(KeyRing):
    """The ring that a file holds now. What cannot be used leaves the keys that were read before."""

    __slots__ = ("_file", "_stamp")

    def __init__(self, file: Path) -> None:
        """Raises OSError, and ValueError whose text names lines and never what they hold."""
        self._file = file
        self._stamp = _stamp_of(file)
        super().__init__(parse_keys(file.read_text()))

    def _look(self) -> None:
        stamp = _stamp_of(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._hold(parse_keys(self._file.read_text()))
        except (OSError, ValueError) as error:
            canonical_log.exception("key ring not read anew", error, file=str(self._file))
        else:
            canonical_log.info("key ring read anew", keys=list(self._ciphers))


def read_key_ring(file: Path) -> KeyRing:
    """Follows the file from then on. Raises SettingsInvalid, for an empty one too: nothing would be protected."""
    try:
        return KeyRingFile(file)
    except OSError as error:
        raise SettingsInvalid([f"PROVIDER_KEY_RING_FILE: cannot read {file}: {error.strerror}"]) from error
    except ValueError as error:
        raise SettingsInvalid([f"PROVIDER_KEY_RING_FILE: {file}: {error}"]) from error


def parse_keys(text: str) -> dict[str, bytes]:
    """By id, in the order of their lines. Raises ValueError, whose text names lines and never what they hold."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key_id, _, encoded = line.strip().partition(" ")
        if not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"line {number} is not `<id> <key>`, with an id of letters, digits and ._-")
        if key_id in keys:
            raise ValueError(f"line {number} repeats the id {key_id}")
        keys[key_id] = _key_of(encoded.strip(), number)
    if not keys:
        raise ValueError("it holds no key")
    return keys


def _key_of(encoded: str, number: int) -> bytes:
    try:
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"line {number}: the key is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"line {number}: the key has {len(key)} bytes and not {KEY_BYTES}")
    return key


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file is replaced or written to; None while there is none."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size


def _encrypt(cipher: AESGCM, plain: bytes, place: SecretPlace) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, place.as_bytes())


def _decrypt(cipher: AESGCM, sealed: bytes, place: SecretPlace) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.as_bytes())
    except (InvalidTag, ValueError) as error:
        raise SecretUnreadable("it was not sealed to this provider, version and address with this key") from error
