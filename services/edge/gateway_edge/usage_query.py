"""What `GET /v1/usage` asks for, read from its query string as OpenAI's usage API has it. Pure.

    start_time, end_time   Unix seconds; the end is exclusive, and now when it is not given
    bucket_width, limit    1m, 1h or 1d (UTC); how many buckets a page has
    group_by, models, ...  lists: the name again for each value, with or without `[]` behind it
    page                   `next_page` of the page before

A parameter that is not known is refused: what looks like a filter must not be ignored.
"""

import base64
import binascii
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway_shared.errors import BadRequest

GROUPS = ("user_id", "api_key_id", "model", "service_tier", "channel", "provider", "agent_run_id")
FILTERS = ("models", "user_ids", "api_key_ids", "channels", "providers", "agent_run_ids")
MAX_VALUES = 100
MAX_CHARACTERS = 256

_LATEST_S = 32_503_680_000  # the year 3000
_CURSOR = struct.Struct(">QQ")
_CURSOR_PREFIX = "page_"


@dataclass(frozen=True, slots=True)
class BucketWidth:
    """`limit` and `most` are buckets in a page: by default, and at most."""

    seconds: int
    limit: int
    most: int


WIDTHS = {"1m": BucketWidth(60, 60, 1440), "1h": BucketWidth(3_600, 24, 168), "1d": BucketWidth(86_400, 7, 31)}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Unix seconds; the end is exclusive."""

    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """One page: from `start_s` (where the page begins) to `end_s` (where the last page ends). No filter is None."""

    start_s: int
    end_s: int
    width_s: int
    limit: int
    group_by: Sequence[str]
    filters: dict[str, list[str] | None]

    def buckets(self) -> list[Bucket]:
        """Those of this page: they begin at multiples of their width (UTC), the first one where it was asked to."""
        buckets: list[Bucket] = []
        start_s = self.start_s
        while start_s < self.end_s and len(buckets) < self.limit:
            end_s = min(start_s - start_s % self.width_s + self.width_s, self.end_s)
            buckets.append(Bucket(start_s, end_s))
            start_s = end_s
        return buckets

    def cursor(self, next_start_s: int) -> str:
        """The page that begins there."""
        return _CURSOR_PREFIX + base64.urlsafe_b64encode(_CURSOR.pack(next_start_s, self.end_s)).decode().rstrip("=")


def parse_usage_query(parameters: Iterable[tuple[str, str]], *, now_s: int) -> UsageQuery:
    """Raises BadRequest that names the parameter."""
    values = _collect(parameters)
    name = _one(values, "bucket_width") or "1d"
    width = WIDTHS.get(name)
    if width is None:
        raise BadRequest(f"bucket_width is one of {', '.join(WIDTHS)}.", param="bucket_width")
    limit = _number(values, "limit")
    if limit is not None and not 1 <= limit <= width.most:
        raise BadRequest(f"limit is from 1 to {width.most} for a bucket_width of {name}.", param="limit")
    start_s, end_s = _times(values, now_s)
    return UsageQuery(
        start_s=start_s,
        end_s=end_s,
        width_s=width.seconds,
        limit=limit or width.limit,
        group_by=_groups(values),
        filters={name: values.get(name) for name in FILTERS},
    )


def _collect(parameters: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for given, value in parameters:
        name = given.removesuffix("[]") if given.removesuffix("[]") in _LISTS else given
        if name not in _KNOWN:
            raise BadRequest(f"Unknown parameter: {_shown(given)}.", param=_shown(given))
        if not value or len(value) > MAX_CHARACTERS or not value.isprintable():
            raise BadRequest(f"{name} takes 1 to {MAX_CHARACTERS} printable characters.", param=name)
        values.setdefault(name, []).append(value)
        if len(values[name]) > (MAX_VALUES if name in _LISTS else 1):
            most = f"at most {MAX_VALUES} times" if name in _LISTS else "once"
            raise BadRequest(f"{name} is given {most}.", param=name)
    return values


_LISTS = frozenset({"group_by", *FILTERS})
_KNOWN = _LISTS | {"start_time", "end_time", "bucket_width", "limit", "page"}


def _times(values: dict[str, list[str]], now_s: int) -> tuple[int, int]:
    start_s, end_s, cursor = _number(values, "start_time"), _number(values, "end_time"), _one(values, "page")
    if start_s is None:
        raise BadRequest("start_time is missing: Unix seconds.", param="start_time")
    if cursor is not None:
        next_start_s, last_s = _read_cursor(cursor)
        if end_s not in (None, last_s) or not start_s <= next_start_s < last_s <= _LATEST_S:
            raise BadRequest("page is not of this query.", param="page")
        return next_start_s, last_s
    if end_s is None:
        end_s = max(now_s, start_s + 1)
    if end_s <= start_s:
        raise BadRequest("end_time is not after start_time.", param="end_time")
    return start_s, end_s


def _read_cursor(text: str) -> tuple[int, int]:
    encoded = text.removeprefix(_CURSOR_PREFIX)
    try:
        next_start_s, last_s = _CURSOR.unpack(
            base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)
        )
    except (binascii.Error, struct.error, ValueError) as error:
        raise BadRequest("page is not a cursor of this gateway.", param="page") from error
    return next_start_s, last_s


def _groups(values: dict[str, list[str]]) -> Sequence[str]:
    groups = values.get("group_by", [])
    for group in groups:
        if group not in GROUPS:
            raise BadRequest(f"group_by is any of {', '.join(GROUPS)}.", param="group_by")
    return groups


def _number(values: dict[str, list[str]], name: str) -> int | None:
    text = _one(values, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) > _LATEST_S:
        raise BadRequest(f"{name} is not a whole number in its range.", param=name)
    return int(text)


def _one(values: dict[str, list[str]], name: str) -> str | None:
    given = values.get(name)
    return given[0] if given else None


def _shown(text: str) -> str:
    return "".join(filter(str.isprintable, text[:MAX_CHARACTERS]))
