"""The operation `models`: the chat models that LiteLLM's map knows of the registered providers. Pure."""

from collections.abc import Iterable, Mapping

import orjson

from gateway_router.configuration import Provider

CHAT_MODES = frozenset({"chat", "responses"})


def model_list(cost_map: Mapping[str, Mapping[str, object]], providers: Iterable[Provider]) -> bytes:
    """OpenAI's list. A name is as the provider spells it, so that a call with it finds the provider again."""
    owners = {provider.litellm_name: provider for provider in providers}
    found: dict[str, str] = {}
    for name, facts in cost_map.items():
        owner = owners.get(str(facts.get("litellm_provider")))
        if owner is not None and facts.get("mode") in CHAT_MODES:
            prefix = f"{owner.litellm_name}/"
            bare = name.removeprefix(prefix)
            if "/" not in bare:
                found[bare] = owner.name
    return orjson.dumps(
        {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "created": 0, "owned_by": owner}
                for name, owner in sorted(found.items())
            ],
        }
    )
