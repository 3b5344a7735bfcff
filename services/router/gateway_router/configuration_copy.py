"""The stored configuration as a file beside the journal: what a router starts with while Postgres is away.

API keys are in it as sealed as in the database. It is replaced whole, and made durable before it takes its name.
Routers that share a journal volume share it too; each writes what it has read from the database.
"""

import base64
import os
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from gateway_router.sealed_secret import SealedSecret
from gateway_router.stored_provider import (
    ProviderDefinition,
    StoredConfiguration,
    StoredKey,
    StoredProvider,
    StoredRouting,
)

FILE_NAME = "providers.sealed.json"
_FORMAT = 1


class CopyUnreadable(Exception):
    """The file is not one of ours, or of a release that this one does not know."""


class ConfigurationCopy:
    """In `folder`; `writer` is a name that no other process there has. Everything here blocks."""

    def __init__(self, folder: Path, *, writer: str) -> None:
        self._path = folder / FILE_NAME
        self._draft = folder / f".{FILE_NAME}.{writer}"

    def load(self) -> StoredConfiguration | None:
        """None where there is none. Raises CopyUnreadable, and OSError."""
        try:
            content = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise CopyUnreadable("not JSON") from error
        try:
            if content["format"] != _FORMAT:
                raise CopyUnreadable(f"format {content['format']}")
            return _configuration_of(content["configuration"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CopyUnreadable(f"{type(error).__name__}: {error}") from error

    def save(self, stored: StoredConfiguration) -> None:
        """Does nothing where the file says so already. Raises OSError."""
        content = orjson.dumps({"format": _FORMAT, "configuration": stored}, default=_in_base64)
        with suppress(FileNotFoundError):
            if self._path.read_bytes() == content:
                return
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._draft.replace(self._path)
        except OSError:
            self._draft.unlink(missing_ok=True)
            raise


def _in_base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError


def _configuration_of(content: dict[str, Any]) -> StoredConfiguration:
    routing = content["routing"]
    return StoredConfiguration(
        version=content["version"],
        providers=tuple(map(_provider_of, content["providers"])),
        routing=StoredRouting(
            fallbacks={model: tuple(others) for model, others in routing["fallbacks"].items()},
            version=routing["version"],
        ),
    )


def _provider_of(content: dict[str, Any]) -> StoredProvider:
    known = {item.name for item in fields(ProviderDefinition)}
    definition: dict[str, Any] = {name: value for name, value in content["definition"].items() if name in known}
    definition["models"] = tuple(definition["models"])
    return StoredProvider(
        definition=ProviderDefinition(**definition),
        api_keys=tuple(map(_key_of, content["api_keys"])),
        version=content["version"],
        created_at=datetime.fromisoformat(content["created_at"]),
        updated_at=datetime.fromisoformat(content["updated_at"]),
    )


def _key_of(content: dict[str, Any]) -> StoredKey:
    sealed = content["sealed"]
    return StoredKey(
        content["last_four"],
        SealedSecret(
            sealed["ring_key_id"],
            base64.b64decode(sealed["wrapped_data_key"]),
            base64.b64decode(sealed["ciphertext"]),
        ),
    )
