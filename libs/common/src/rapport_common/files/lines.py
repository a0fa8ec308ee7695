"""JSON Lines: one object a line; empty lines are no rows."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import msgspec

from rapport_common.files.rows import INSIDE, MAX_TAKEN_BYTES, Place, Row
from rapport_common.files.unpacking import MAX_ROW_BYTES, SIGN_BYTES, Lines
from rapport_common.wording import plain

BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


class LinesReader:
    """Reads JSON Lines (also called NDJSON)."""

    total: int | None = None
    columns: Sequence[str] | None = None

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def rows(self, place: Place) -> Iterator[Row | Place]:
        """The rows from a place on, and places where there is nothing for long."""
        lines = Lines(self._file, place.minor)
        number, told = place.rows, place.minor
        if place.major == INSIDE:
            yield from lines.skip(number)
        while line := lines.next():
            text = line.removeprefix(BOM).strip()
            if len(line) == MAX_ROW_BYTES and not line.endswith(b"\n"):
                number += 1
                reason = f"The line is longer than {MAX_ROW_BYTES} bytes."
                after = Place(INSIDE, lines.offset, number)
                yield Row(after, None, text[:MAX_TAKEN_BYTES], "row_too_large", reason)
                yield from lines.skip(number)
            elif text:
                number += 1
                yield _row(Place(0, lines.offset, number), text)
            elif lines.offset - told < SIGN_BYTES:
                continue
            else:
                yield Place(0, lines.offset, number)
            told = lines.offset


def _row(after: Place, text: bytes) -> Row:
    try:
        values: Any = _decode(text)
    except (RecursionError, *UNREADABLE) as error:
        return Row(after, None, text, "invalid_json", f"Not JSON that can be kept: {plain(error)}.")
    if not isinstance(values, dict):
        return Row(after, None, text, "not_an_object", "A line is a JSON object.")
    return Row(after, values, text)
