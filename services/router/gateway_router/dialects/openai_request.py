"""The request of OpenAI's wire as each kind takes it: where it goes, where the key stands, what parameters are called.

Pure. The client's bytes are parsed only for a kind that calls something otherwise, and when it is there.
"""

from urllib.parse import quote

import orjson

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import ChatCall, UpstreamRequest, object_with


def openai_request(call: ChatCall, provider: Provider) -> UpstreamRequest:
    """A provider that takes no `stream_options` is sent none: such tell their usage without being asked."""
    members: dict[str, object] = {"model": call.upstream_model}
    if call.stream:
        members["stream"] = True
        if provider.streams_usage:
            members["stream_options"] = {**(call.stream_options or {}), "include_usage": True}
    body = object_with(orjson.dumps(members)[1:-1], _in_its_words(call.rest, provider))
    return UpstreamRequest(_url(call, provider), {**_key(provider), "Content-Type": "application/json"}, body)


def _url(call: ChatCall, provider: Provider) -> str:
    if provider.api_version is None:
        return f"{provider.base_url}/chat/completions"
    resource, deployment = provider.base_url.removesuffix("/openai"), quote(call.upstream_model, safe="")
    return f"{resource}/openai/deployments/{deployment}/chat/completions?api-version={provider.api_version}"


def _key(provider: Provider) -> dict[str, str]:
    key = provider.api_key.reveal()
    if not key:
        return {}
    return {provider.auth_header: f"Bearer {key}" if provider.auth_header == "Authorization" else key}


def _in_its_words(rest: bytes, provider: Provider) -> bytes:
    if not any(b'"%b"' % name.encode() in rest for name, _ in provider.renamed):
        return rest
    body = orjson.loads(rest)
    for name, its_name in provider.renamed:
        value = body.pop(name, None)
        if value is not None and its_name is not None:
            body[its_name] = value
    return orjson.dumps(body)
