"""What LiteLLM raises while it translates a request, as this project's errors.

Its words are not passed on: they quote the messages that it was given, and speak of its own settings.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from gateway_shared.errors import BadRequest

Json = dict[str, Any]

is_translating: ContextVar[bool] = ContextVar("is_translating", default=False)
"""Whether this is in the midst of a translation, which has nothing to dial: a fetch would be a client's address, and
the event loop would wait for it."""


@contextmanager
def translating_request() -> Iterator[None]:
    """A request that the translator cannot take is the client's: BadRequest.

    Its errors are of many classes (its own, plain `Exception`, `KeyError`).
    """
    before = is_translating.set(True)
    try:
        yield
    except BadRequest:
        raise
    except Exception as error:
        raise BadRequest("The request cannot be translated for this model's provider.") from error
    finally:
        is_translating.reset(before)


def mapped_params(config: Any, params: Json, model: str) -> Json:
    """OpenAI's parameters as the provider's. Raises BadRequest that names the one that is refused."""
    try:
        optional: Json = config.map_openai_params(params, {}, model, drop_params=False)
    except Exception as error:
        param = next((name for name in params if not _is_taken(config, name, params[name], model)), None)
        subject = f"{param} is" if param else "The parameters are"
        raise BadRequest(
            f"{subject} not supported by this model's provider, or not with this value.", param=param
        ) from error
    return optional


def _is_taken(config: Any, name: str, value: object, model: str) -> bool:
    try:
        with translating_request():
            config.map_openai_params({name: value}, {}, model, drop_params=False)
    except BadRequest:
        return False
    return True
