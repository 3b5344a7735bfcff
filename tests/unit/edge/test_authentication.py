"""Credentials that no key can be."""

from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from multidict import CIMultiDict

from gateway_edge.authentication import KeyMalformed, authenticate
from gateway_edge.key_format import KEY_KINDS
from gateway_edge.resources import SETTINGS


@pytest.mark.parametrize("key", [b"\xff", b"gw-\xff\xfe", "gw-é".encode()], ids=repr)
@pytest.mark.parametrize(("field", "scheme"), [("Authorization", "Bearer "), ("x-api-key", "")])
async def test_a_credential_that_is_not_ascii_is_refused_as_any_unknown_key(
    field: str, scheme: str, key: bytes
) -> None:
    pepper = SimpleNamespace(reveal_bytes=lambda: bytes(32))
    headers = CIMultiDict({field: scheme + key.decode("utf-8", "surrogateescape")})  # as aiohttp reads them
    request = SimpleNamespace(headers=headers, app={SETTINGS: SimpleNamespace(key_pepper=pepper)})
    with pytest.raises(KeyMalformed) as refusal:
        await authenticate(cast("web.Request", request), kinds=KEY_KINDS)
    assert (refusal.value.status, refusal.value.code) == (401, "invalid_api_key")
