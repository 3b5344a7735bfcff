"""Whether a JSON document has more values than are taken, known before it is parsed.

Pure. Bytes say little about memory: 32 MiB of `{},` are 942 MiB once they are parsed, and take 2.5 s.
"""

MARKS = b",:[{"
"""Outside a text, every value and every name of a member but the first value follows one of these."""


def has_more_values(data: bytes, limit: int) -> bool:
    """Whether `data` has more than `limit` values, names of members included; an empty container counts as two.

    What is not valid JSON is counted rightly up to its first mistake, and parsed no further than that.
    """
    if len(data) <= limit or _marks(data) < limit:
        return False
    # the marks may be those of a text, so count again without texts; of escapes only these two matter to where one ends
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 2 * limit:
        return True
    return _marks(b"".join(unescaped.split(b'"')[::2])) >= limit


def _marks(data: bytes) -> int:
    return len(data) - len(data.translate(None, MARKS))  # in one pass: three times as fast as counting each
