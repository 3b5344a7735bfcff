"""The providers that the environment registers: those whose key is set, or the simulator under their names. Pure."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway_router.base_url import BaseUrlRefused, check_base_url
from gateway_router.configuration import SIMULATOR, Configuration, Provider, Registration
from gateway_router.kinds import FROM_ENVIRONMENT, KINDS
from gateway_router.settings import RouterSettings
from gateway_shared.settings import Secret, SettingsInvalid


def key_variable(name: str) -> str:
    """The environment variable that registers provider `name`."""
    return f"{name.upper()}_API_KEY"


def environment_configuration(settings: RouterSettings) -> Configuration:
    """Version 0. Raises SettingsInvalid with every base URL that is refused.

    Without any provider key but with a simulator's URL, all of them are registered there.
    """
    found = list(_from_keys(settings))
    if not found and settings.simulator_url:
        found = list(_at_simulator(settings.simulator_url.rstrip("/")))
    problems: list[str] = []
    for provider in found:
        try:
            check_base_url(provider.base_url, allowed_hosts=settings.egress_allow_hosts)
        except BaseUrlRefused as error:
            variable = "SIMULATOR_URL" if provider.ledger_name == SIMULATOR else f"{provider.name.upper()}_BASE_URL"
            problems.append(f"{variable} {_shown(provider.base_url)!r} is refused: {error}")
    if problems:
        raise SettingsInvalid(list(dict.fromkeys(problems)))
    return Configuration(registrations=tuple(Registration(one.name, one.name, (one,)) for one in found))


def _from_keys(settings: RouterSettings) -> Iterator[Provider]:
    for name in FROM_ENVIRONMENT:
        key: Secret | None = getattr(settings, f"{name}_api_key")
        if key is not None:
            url: str = getattr(settings, f"{name}_base_url")
            yield Provider.of(name, name=name, api_key=key, base_url=url)


def _at_simulator(url: str) -> Iterator[Provider]:
    for name in FROM_ENVIRONMENT:
        base_url = f"{url}{KINDS[name].simulator_path}"
        yield Provider.of(name, name=name, api_key=Secret("simulated"), base_url=base_url, ledger_name=SIMULATOR)


def _shown(url: str) -> str:
    """The URL for a message, without a password that may be in it."""
    try:
        return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return "(not a URL)"
