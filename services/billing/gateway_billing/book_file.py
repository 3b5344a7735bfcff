"""What files of prices and of tariffs have in common: JSON, named mistakes, a hash of the content. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson


class BookFileInvalid(ValueError):
    """One line per thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_content(data: bytes, *, form: str, members: Mapping[str, type]) -> dict[str, object]:
    """The JSON object, of that format and with these members that are not empty texts. Raises BookFileInvalid."""
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BookFileInvalid([f"not JSON: {error}"]) from error
    if not isinstance(content, dict) or content.get("format") != form:
        raise BookFileInvalid([f'"format" is not "{form}"'])
    problems = [
        f'"{name}" is not a {kind.__name__}'
        for name, kind in members.items()
        if type(content.get(name)) is not kind or content[name] == ""
    ]
    if problems:
        raise BookFileInvalid(problems)
    return content


def content_sha256(content: Mapping[str, object]) -> str:
    """Hexadecimal, over the parsed content, so that white space does not make a version."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def text_of(entry: Mapping[str, object], name: str) -> str:
    """Raises ValueError when it is not a text that Postgres can hold, or empty."""
    text = entry.get(name)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f'"{name}" is not a text')
    return text


def moment_of(content: Mapping[str, object], name: str) -> datetime | None:
    """UTC; None when it is not there. Raises ValueError."""
    text = content.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ValueError(f'"{name}" {text!r} is not RFC 3339') from error
    if moment.tzinfo is None:
        raise ValueError(f'"{name}" has no time zone')
    return moment.astimezone(UTC)
