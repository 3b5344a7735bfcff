"""Postgres' CSV as RFC 4180 wants it: lines end in CRLF. Pure."""


class LineEnds:
    """Turns the line feeds that end records into CRLF; those inside quoted fields stay. Takes any pieces in order."""

    def __init__(self) -> None:
        self._is_quoted = False
        self.records = 0

    def convert(self, piece: bytes) -> bytes:
        """`records` counts the record ends so far, the header's included."""
        parts = piece.split(b'"')  # a doubled quote inside a field leaves it and enters it again
        for index, part in enumerate(parts):
            if index:
                self._is_quoted = not self._is_quoted
            if not self._is_quoted:
                self.records += part.count(b"\n")
                parts[index] = part.replace(b"\n", b"\r\n")
        return b'"'.join(parts)
