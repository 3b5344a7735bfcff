"""What LiteLLM raises while it translates a request, as this project's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway_router.dialects.litellm_names import litellm
from gateway_router.dialects.provider_errors import masked
from gateway_shared.errors import BadRequest


@contextmanager
def translating_request() -> Iterator[None]:
    """A request that the translator cannot take is the client's: BadRequest with the translator's words.

    Its errors are of many classes (its own, plain `Exception`, `KeyError` on a message without a role),
    and some append the messages that they were given: only the first line is kept.
    """
    try:
        yield
    except BadRequest:
        raise
    except Exception as error:
        raise BadRequest(_words(error)) from error


def _words(error: Exception) -> str:
    text = error.message if isinstance(error, litellm.exceptions.APIError | litellm.BadRequestError) else str(error)
    known = isinstance(error, litellm.exceptions.BadRequestError | litellm.UnsupportedParamsError) or hasattr(
        error, "status_code"
    )
    if not known:
        return f"The request cannot be translated for this model's provider ({type(error).__name__})."
    return masked(str(text).partition("\n")[0], secret="")
