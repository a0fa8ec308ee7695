"""JSON Lines: one object a line; empty lines are no rows."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from rapport_common.wording import plain
from rapport_ingest.domain.event import MAX_EVENT_BYTES
from rapport_ingest.domain.rows import Place, Row
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.handlers.readers.unpacking import MAX_ROW_BYTES, Lines

BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode


class LinesReader:
    """Reads JSON Lines (also called NDJSON)."""

    total: int | None = None

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def rows(self, place: Place) -> Iterator[Row]:
        """The rows from a place on."""
        lines = Lines(self._file, place.minor)
        number = place.rows
        while line := lines.next():
            too_long = len(line) == MAX_ROW_BYTES and not line.endswith(b"\n")
            if too_long:
                lines.skip()
            text = line.removeprefix(BOM).strip()
            if not text:
                continue
            number += 1
            after = Place(0, lines.offset, number)
            if too_long:
                reason = f"The line is longer than {MAX_ROW_BYTES} bytes."
                yield Row(after, None, text[:MAX_EVENT_BYTES], "row_too_large", reason)
            else:
                yield _row(after, text)


def _row(after: Place, text: bytes) -> Row:
    try:
        values: Any = _decode(text)
    except (RecursionError, *UNREADABLE) as error:
        return Row(after, None, text, "invalid_json", f"Not JSON that can be kept: {plain(error)}.")
    if not isinstance(values, dict):
        return Row(after, None, text, "not_an_object", "A line is a JSON object.")
    return Row(after, values, text)
