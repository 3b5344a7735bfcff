"""The language in which a test tells the simulator what to do.

A directive stands anywhere in the last user text, `[[sim words=200 ttft_ms=500 no_usage]]`: flags, and `key=value`
pairs, quoted like shell words where they hold spaces (`message="try later"`). The simulator keeps no state for it, so
requests can be scripted by whoever writes the prompt. Several directives in one text add up; later ones win.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_PATTERN = re.compile(r"\[\[sim\b(.*?)\]\]", re.DOTALL)
_FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")
_CUTS = ("rst", "close", "end")


class DirectiveInvalid(ValueError):
    """A directive names something unknown, or its value cannot be read. The simulator answers 400 with this text."""


@dataclass(frozen=True, slots=True)
class Directives:
    """What is asked of one answer. `*_after=N` counts content events: deltas of the answer, not the ones around it."""

    id: str | None = None
    """A marker, copied to the request log."""

    # The answer.
    text: str | None = None
    words: int | None = None
    n_same: int | None = None
    """The same delta N times over (LiteLLM takes more than 100 for a loop)."""
    tool: bool | str = False
    """Call a tool though `tool_choice` is auto: the first one offered, or the one named."""
    calls: int = 1
    args: str | None = None
    """The JSON of the tool call's arguments, instead of those made from its schema."""
    refusal: bool | str = False
    finish: str | None = None
    model: str | None = None
    """The model name to report."""
    service_tier: str | None = None

    # The usage.
    input: int | None = None
    """Replaces the count of input words; cached and cache-written tokens come on top."""
    output: int | None = None
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int | None = None
    audio_in: int = 0
    audio_out: int = 0
    no_usage: bool = False

    # The pace.
    headers_ms: int = 0
    """Milliseconds before the status line."""
    ttft_ms: int = 0
    """Milliseconds between the headers and the first event (of a plain answer: before the headers)."""
    delay_ms: float = 0
    """Milliseconds before each further content event."""
    split: int | None = None
    """Write the body in pieces of that many bytes, wherever they fall."""

    # The faults.
    status: int | None = None
    retry_after: str | None = None
    code: str | None = None
    message: str | None = None
    drop: bool = False
    """Break the connection before the status line."""
    hang: bool = False
    """Never answer at all."""
    cut: str = "rst"
    cut_after: int | None = None
    stall_after: int | None = None
    hold_after: int | None = None
    """Wait there until `POST /simulator/release`, then go on."""
    malformed_after: int | None = None
    error_after: int | None = None
    pad: int = 0
    """Bytes of spaces: behind a plain answer's JSON; in a stream, within one event before all others."""
    gzip: bool = False
    """Compress the body, whether or not the request accepts that; with `pad` a bomb."""
    no_finish: bool = False
    no_done: bool = False

    @property
    def broken_after(self) -> int | None:
        return self.stall_after if self.cut_after is None else self.cut_after

    def __post_init__(self) -> None:
        if self.finish is not None and self.finish not in _FINISH_REASONS:
            raise DirectiveInvalid(f"finish={self.finish}: expected one of {', '.join(_FINISH_REASONS)}")
        if self.cut not in _CUTS:
            raise DirectiveInvalid(f"cut={self.cut}: expected one of {', '.join(_CUTS)}")
        if self.split is not None and self.split < 1:
            raise DirectiveInvalid("split: expected at least 1 byte")
        if self.status is not None and not 400 <= self.status <= 599:
            raise DirectiveInvalid(f"status={self.status}: expected 400 to 599")


_KINDS = {field.name: str(field.type) for field in fields(Directives)}


def directives_in(text: str) -> dict[str, Any]:
    """The settings that every `[[sim ...]]` in `text` makes, ready for `Directives(**...)`. Raises DirectiveInvalid."""
    settings: dict[str, Any] = {}
    for found in _PATTERN.finditer(text):
        settings.update(parse_directive(found.group(1)))
    return settings


def parse_directive(words: str) -> dict[str, Any]:
    """Read what stands between `[[sim` and `]]`. Raises DirectiveInvalid."""
    try:
        items = shlex.split(words)
    except ValueError as error:
        raise DirectiveInvalid(f"{words.strip()}: {error}") from error
    return dict(_setting(item) for item in items)


def without_directives(text: str) -> str:
    return _PATTERN.sub("", text).strip()


def merge_directives(*layers: Mapping[str, Any]) -> Directives:
    """Later layers win. Raises DirectiveInvalid."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer)
    return Directives(**merged)


def _setting(item: str) -> tuple[str, Any]:
    name, equals, value = item.partition("=")
    kind = _KINDS.get(name)
    if kind is None:
        raise DirectiveInvalid(f"{name}: unknown to the simulator")
    if not equals:
        if "bool" not in kind:
            raise DirectiveInvalid(f"{name}: a value is missing")
        return name, True
    if "str" in kind:
        return name, value
    if kind == "bool":
        raise DirectiveInvalid(f"{name}: takes no value")
    return name, _number(name, value, whole="int" in kind)


def _number(name: str, value: str, *, whole: bool) -> float:
    try:
        number = int(value) if whole else float(value)
    except ValueError as error:
        raise DirectiveInvalid(f"{name}={value}: expected a number") from error
    if not 0 <= number < 1e9:
        raise DirectiveInvalid(f"{name}={value}: expected 0 or more, less than 1e9")
    return number
