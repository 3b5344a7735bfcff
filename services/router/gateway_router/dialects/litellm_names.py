"""LiteLLM's internal names that this project uses, all of them; a test per provider pins them (LITELLM.md).

An upgrade that moves one fails here, loudly. `litellm.proxy` is never imported.
"""

import logging
import os
import sys
import warnings
from importlib import import_module
from typing import Any, NoReturn

# before the import: otherwise it fetches a price map over HTTPS when imported, and a table of
# Anthropic's beta headers at the first structured output
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"
os.environ["MAX_IMAGE_URL_DOWNLOAD_SIZE_MB"] = "0"  # or it fetches what a client names

import litellm
from litellm.litellm_core_utils.core_helpers import map_finish_reason
from litellm.litellm_core_utils.litellm_logging import Logging
from litellm.llms.anthropic.chat.handler import ModelResponseIterator as AnthropicStreamParser
from litellm.llms.anthropic.chat.transformation import (
    ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY,
    AnthropicConfig,
)
from litellm.llms.anthropic.common_utils import AnthropicError
from litellm.llms.custom_httpx.aiohttp_transport import LiteLLMAiohttpTransport
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
from litellm.llms.gemini.chat.transformation import GoogleAIStudioGeminiConfig
from litellm.llms.vertex_ai.common_utils import VertexAIError
from litellm.llms.vertex_ai.gemini.transformation import transform_request_body as gemini_request_body
from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import (
    ModelResponseIterator as GeminiStreamParser,
)
from litellm.types.utils import Delta, Message, ModelResponse, ModelResponseStream

# its messages quote what it was given
logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
litellm.suppress_debug_info = True
litellm.telemetry = False
litellm.REPEATED_STREAMING_CHUNK_LIMIT = 1_000_000_000


async def _raise_again(self: AsyncHTTPHandler, **_: object) -> NoReturn:
    """In the place of its second POST, over a new connection, of a request whose connection broke: also of one that
    had been sent by then, so that the provider would work, and be paid, twice for one call.
    """
    error = sys.exception()
    assert error
    raise error


AsyncHTTPHandler.single_connection_post_request = _raise_again


async def _log_nothing(self: Logging, *_: object, **__: object) -> None:
    """In the place of what LiteLLM does after each call: it looks up prices that nobody asked for, for some kinds by
    asking the provider once more, over a connection that stops the event loop until the answer is there.
    """


Logging.async_success_handler = _log_nothing
Logging.async_failure_handler = _log_nothing


with warnings.catch_warnings():
    # built on first use otherwise (40 ms of a first request), with warnings about their own annotations
    warnings.simplefilter("ignore")
    for _model in (Delta, Message, ModelResponse, ModelResponseStream):
        _model.model_rebuild(force=True)


def import_for_calls() -> None:
    """What `litellm.acompletion` imports in its first call otherwise: 0.6 s of CPU, 45 MiB, most of it a tokeniser."""
    for name in ("litellm._service_logger", "litellm.proxy.openai_files_endpoints.common_utils"):
        import_module(name)
    assert litellm.main.encoding


class NoLogging:
    """Stands in for LiteLLM's logging object, which its parsers insist on."""

    def __init__(self, optional_params: dict[str, Any]) -> None:
        self.optional_params = optional_params

    def post_call(self, **_: object) -> None:
        """Nothing is logged."""


__all__ = [
    "ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY",
    "AnthropicConfig",
    "AnthropicError",
    "AnthropicStreamParser",
    "AsyncHTTPHandler",
    "GeminiStreamParser",
    "GoogleAIStudioGeminiConfig",
    "LiteLLMAiohttpTransport",
    "ModelResponse",
    "NoLogging",
    "VertexAIError",
    "gemini_request_body",
    "import_for_calls",
    "litellm",
    "map_finish_reason",
]
