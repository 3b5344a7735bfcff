"""Tokens when the provider's own figure never came: a client left, a stream was cut. Pure.

Four bytes of text are taken for a token, as OpenAI's help pages do; a stream's chunks are a lower
bound, since providers rarely send less than a token in one. Rows that rest on this say so.
"""

import re

BYTES_PER_TOKEN = 4

_MEDIA = re.compile(rb'"data:[^"]{0,100};base64,[^"]*"')
_MEDIA_TOKENS = 800


def input_tokens(body: bytes) -> int:
    """Of a request's JSON; a medium counts as a fixed number of tokens, not by its bytes."""
    media = _MEDIA.findall(body)
    text_bytes = len(body) - sum(map(len, media))
    return text_bytes // BYTES_PER_TOKEN + _MEDIA_TOKENS * len(media)


def text_bytes(text: str) -> int:
    """As UTF-8, as the request's are counted."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def output_tokens(*, text_bytes: int, chunks: int) -> int:
    """Of what was streamed so far: `text_bytes` of text and arguments in `chunks` pieces."""
    return max(text_bytes // BYTES_PER_TOKEN, chunks)
