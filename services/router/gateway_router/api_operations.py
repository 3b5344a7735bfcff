"""The operation `providers`, put together. Imports litellm."""

from collections.abc import Container

from gateway_router.calls import ChatCalls
from gateway_router.configuration import Directory
from gateway_router.litellm_catalogue import cost_map, provider_names
from gateway_router.model_list import model_list
from gateway_router.provider_api import ProviderApi
from gateway_router.provider_request import ProviderRules
from gateway_router.provider_trial import ProviderTrial
from gateway_router.provider_view import health_view
from gateway_router.stored_providers import StoredProviders
from gateway_shared.hop_server import HopAnswer, HopCall, Serve


def provider_api(stored: StoredProviders, calls: ChatCalls, *, allowed_hosts: Container[str]) -> ProviderApi:
    rules = ProviderRules(provider_names().__contains__, allowed_hosts)
    return ProviderApi(stored.store, stored.directory, rules, health_view, ProviderTrial(calls))


def known_models(directory: Directory) -> Serve:
    async def serve(_call: HopCall, answer: HopAnswer) -> None:
        ways = [registration.ways[0] for registration in directory.current.registrations if registration.ways]
        await answer.send(200, {"Content-Type": "application/json"}, model_list(cost_map(), ways))

    return serve
