"""The hop between edge and router: *request (head, body) -> response (head, chunks)*.

Names only; `hop_client` and `hop_server` are the two ends. Today a call is one HTTP/1.1 POST over a
pooled mTLS connection to `/hop/<operation>`, its body `>I` length of head, head, body bytes.
"""

import struct

HEAD_LENGTH = struct.Struct(">I")
MAX_HEAD_BYTES = 64 * 1024

CHAT_COMPLETIONS = "chat.completions"
MODELS = "models"


class HopLost(ConnectionError):
    """The other end cannot be reached, or went away in the middle."""


class HopCallInvalid(ValueError):
    """What came over the hop does not have the form of a call."""


def pack_call(head: bytes, body: bytes) -> bytes:
    return HEAD_LENGTH.pack(len(head)) + head + body


def unpack_call(data: bytes) -> tuple[bytes, bytes]:
    """Head and body. Raises HopCallInvalid."""
    if len(data) < HEAD_LENGTH.size:
        raise HopCallInvalid("shorter than its length field")
    (length,) = HEAD_LENGTH.unpack_from(data)
    end = HEAD_LENGTH.size + length
    if length > MAX_HEAD_BYTES or end > len(data):
        raise HopCallInvalid("head longer than allowed or than what came")
    return data[HEAD_LENGTH.size : end], data[end:]
