"""What LiteLLM knows of models: whose a name is, and the map of all of them."""

from collections.abc import Mapping

from gateway_router.dialects.litellm_names import litellm


def guess_provider(model: str) -> tuple[str, str] | None:
    """LiteLLM's provider and its name for `model`; None when it knows neither."""
    try:
        upstream_model, provider, _, _ = litellm.get_llm_provider(model)
    except litellm.exceptions.BadRequestError:
        return None
    return provider, upstream_model


def cost_map() -> Mapping[str, Mapping[str, object]]:
    models: Mapping[str, Mapping[str, object]] = litellm.model_cost
    return models


def provider_names() -> frozenset[str]:
    """The kinds of providers that LiteLLM's client speaks to."""
    return frozenset(str(getattr(name, "value", name)) for name in litellm.provider_list)
