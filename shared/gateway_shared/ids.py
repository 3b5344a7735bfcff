"""Identifiers: UUIDv7 (RFC 9562, 5.7), so that ids sort by time; the clock and the randomness are arguments."""

import uuid


def uuid7(*, unix_ms: int, random_bytes: bytes) -> uuid.UUID:
    """A UUIDv7 of `unix_ms` (milliseconds since 1970) and 10 random bytes."""
    if len(random_bytes) != 10:
        raise ValueError("a UUIDv7 takes 10 random bytes")
    value = (unix_ms & (2**48 - 1)) << 80 | int.from_bytes(random_bytes, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)
