"""CSV as RFC 4180 wants it, whatever the pieces in which it comes."""

import csv
import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway_billing.csv_lines import LineEnds

TEXTS = st.text(alphabet='a,"\n\r;é', max_size=6)


def as_postgres_writes(rows: list[list[str]]) -> bytes:
    """Line feeds end records; fields with quotes, commas or line ends are quoted, quotes doubled."""
    return "".join(",".join(map(quoted_where_needed, row)) + "\n" for row in rows).encode()


def quoted_where_needed(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if set(field) & set(',"\r\n') else field


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=3), max_size=5), st.lists(st.integers(0, 60)))
def test_records_end_in_crlf_and_fields_stay_as_they_are(rows: list[list[str]], cuts: list[int]) -> None:
    written = as_postgres_writes(rows)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(written)), len(written)]
    line_ends = LineEnds()
    converted = b"".join(line_ends.convert(written[start:end]) for start, end in pairwise(bounds))
    assert line_ends.records == len(rows)
    assert list(csv.reader(io.StringIO(converted.decode(), newline=""), strict=True)) == rows
    if not any("\n" in field for row in rows for field in row):
        assert converted.count(b"\r\n") >= len(rows)
        assert converted.replace(b"\r\n", b"").count(b"\n") == 0


def test_a_line_feed_inside_a_field_stays_alone() -> None:
    assert LineEnds().convert(b'a,"b\nc"\nd,e\n') == b'a,"b\nc"\r\nd,e\r\n'
