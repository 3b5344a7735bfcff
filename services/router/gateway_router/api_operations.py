"""The operations beside the calls themselves: `/v1/providers` and `/v1/models`, put together. Imports litellm."""

from collections.abc import Container

from gateway_router.calls import ChatCalls
from gateway_router.configuration import Directory, Registration
from gateway_router.list_prices import ReadPrices
from gateway_router.litellm_catalogue import cost_map, guess_provider, provider_names
from gateway_router.model_api import ModelApi
from gateway_router.model_facts import ModelMap
from gateway_router.provider_api import ProviderApi
from gateway_router.provider_request import ProviderRules
from gateway_router.provider_trial import ProviderTrial
from gateway_router.provider_view import health_view
from gateway_router.stored_providers import StoredProviders
from gateway_shared.errors import JsonObject


def provider_api(stored: StoredProviders, calls: ChatCalls, *, allowed_hosts: Container[str]) -> ProviderApi:
    def health(registration: Registration) -> JsonObject:
        resilience = calls.resilience
        return health_view(registration, resilience.health.of(registration, now_s=resilience.clock_s()))

    rules = ProviderRules(provider_names().__contains__, allowed_hosts)
    return ProviderApi(stored.store, stored.directory, rules, health, ProviderTrial(calls))


def model_api(directory: Directory, read_prices: ReadPrices) -> ModelApi:
    return ModelApi(directory, guess_provider, ModelMap(cost_map()), read_prices)
