"""CSV and its kin (RFC 4180): Python's `csv` over lines that we count ourselves.

Counting the bytes of the lines that each row took gives the offset behind every row, also with
line ends in quotes, several bytes per character, or a byte order mark.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import INSIDE, MAX_TAKEN_BYTES, Place, Row, Writing
from rapport_common.files.unpacking import MAX_ROW_BYTES, SIGN_BYTES, Lines

BOM = b"\xef\xbb\xbf"
MANGLED_BOM = BOM.decode("latin-1").encode()
"""A byte order mark that was taken for three letters, and written as such."""

MARKS = (BOM.decode(), MANGLED_BOM.decode())
DELIMITERS = ",;\t|"
MAX_COLUMNS = 5000
MAX_HEAD_BYTES = 2**20
"""So much may stand before the row after the header, blank lines for example."""

NO_LINES = frozenset((b"", b"\n", b"\r\n"))
"""The end, and blank lines: most of what is blank need not be parsed."""

# Python's own limit is 128 KiB; ours is the row's, and the event's after that.
csv.field_size_limit(MAX_ROW_BYTES)


_SEPARATOR = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)


class _TooLongError(Exception):
    """A row goes on for more than MAX_ROW_BYTES: a quote is not closed, or it is no text."""


class SeparatedReader:
    """Reads rows of cells; the first row names the columns unless the options do."""

    total: int | None = None

    def __init__(self, file: BinaryIO, options: Writing, trailer: str | None = None) -> None:
        self._file = file
        self._options = options
        self.mark = trailer
        self.trailer: list[str] | None = None
        self.behind_trailer = 0
        self.start = 0
        """Where the rows begin, in bytes: behind the header."""

        self._header: list[str] | None = None
        self._delimiter = options.delimiter or ","
        self._names = self._head()
        self.columns: Sequence[str] | None = self._names

    def rows(self, place: Place) -> Iterator[Row | Place]:
        """The rows from a place on, and places where there is nothing for long.

        A line with totals is no row: it goes to `trailer`.
        """
        scan = _Scan(self._file, place.minor or self.start, self._options, self._delimiter)
        number, told = place.rows, scan.offset
        if place.major == INSIDE:
            yield from scan.skip(number)
        while (found := scan.next()) is not None:
            cells, reason = found
            if self._is_row(cells, reason):
                number += 1
                after = Place(INSIDE if scan.inside else 0, scan.offset, number)
                yield self._row(after, cells, reason, scan.taken)
                if scan.inside:
                    yield from scan.skip(number)
            elif scan.offset - told < SIGN_BYTES:
                continue
            else:
                yield Place(0, scan.offset, number)
            told = scan.offset

    def _is_row(self, cells: list[str], reason: str) -> bool:
        if not reason and self._is_blank(cells):
            return False
        if self.mark is not None and cells and cells[0].strip() == self.mark:
            self.trailer = cells
            return False
        if self.trailer is not None:
            self.behind_trailer += 1
        return True

    def _row(self, after: Place, cells: list[str], reason: str, taken: bytes) -> Row:
        count, wanted = len(cells), len(self._names)
        if not reason and (count > wanted or (count < wanted and not self._fills)):
            reason = f"It has {count} cells, and there are {wanted} columns."
        if not reason and cells == self._header:
            reason = "It repeats the header: two files were put together."
        if reason:
            text = taken.decode(self._options.encoding, "replace").rstrip("\r\n")
            return Row(after, None, text.encode()[:MAX_TAKEN_BYTES], "invalid_row", reason)
        return Row(after, dict(zip(self._names, cells, strict=False)))

    @property
    def _fills(self) -> bool:
        return self._options.short_rows == "fill"

    def _is_blank(self, cells: list[str]) -> bool:
        return not cells or (len(cells) == 1 and not cells[0].strip())

    def _head(self) -> list[str]:
        """The names of the columns; `start` is behind them."""
        lines = Lines(self._file, 0)
        first = lines.next()
        self.start = _mark_of(first)
        text = first[self.start :].decode(self._options.encoding, "replace")
        named = _SEPARATOR.fullmatch(text)
        if named is not None:
            # Excel's own line before the header, which says what separates.
            self._delimiter, self.start = named[1], lines.offset
            text, first = "", b""
        if len(first) == MAX_ROW_BYTES or first.rstrip(b"\r\n").count(b"\r") > 1:
            raise _unreadable("its lines don't end with a line feed; save it with LF or CRLF")
        if self._options.delimiter is None and named is None:
            self._delimiter = max(DELIMITERS, key=text.count)
        if not self._options.header:
            return list(self._options.columns)
        scan = _Scan(self._file, self.start, self._options, self._delimiter)
        cells: list[str] = []
        reason = ""
        while self._is_blank(cells) and not reason:
            found = scan.next()
            if found is None or scan.offset > MAX_HEAD_BYTES:
                raise _unreadable("it is empty, or has no header among its first lines")
            cells, reason = found
        if reason:
            raise _unreadable(f"its header can't be read: {reason}")
        self.start = scan.offset
        self._header = cells
        return list(self._options.columns) or _names(cells)


class _Scan:
    """Rows of cells with the offset behind each."""

    def __init__(self, file: BinaryIO, offset: int, options: Writing, delimiter: str) -> None:
        self._lines = Lines(file, offset)
        self._encoding = options.encoding
        self._quote = options.quote
        self._delimiter = delimiter
        self._reader = self._fresh()
        self._began = offset
        self._first = b""
        self._size = 0
        self._ready = b""
        self.inside = False
        """Whether the last row is a line that goes on behind `offset`."""

        self.taken = b""
        """The beginning of the bytes that the last row was read from."""

    @property
    def offset(self) -> int:
        return self._lines.offset

    def _fresh(self) -> Iterator[list[str]]:
        return csv.reader(
            self._texts(),
            delimiter=self._delimiter,
            quotechar=self._quote or None,
            quoting=csv.QUOTE_MINIMAL if self._quote else csv.QUOTE_NONE,
            strict=True,
        )

    def skip(self, rows: int) -> Iterator[Place]:
        """Go behind the end of the present line, see `Lines.skip`."""
        yield from self._lines.skip(rows)

    def next(self) -> tuple[list[str], str] | None:
        """The next row's cells, and what is wrong with it, "" if nothing; None at the end."""
        self._began, self._size, self.taken, self._first = self.offset, 0, b"", b""
        self.inside = False
        self._ready = self._lines.next()
        if self._ready in NO_LINES:
            return None if not self._ready else ([], "")
        try:
            cells = next(self._reader)
        except StopIteration:
            return None
        except (csv.Error, _TooLongError) as error:
            return [], self._recovered(error)
        if cells and cells[0].startswith(MARKS):
            cells[0] = cells[0].removeprefix(MARKS[0]).removeprefix(MARKS[1])
        if any("\udc80" <= sign <= "\udcff" for cell in cells for sign in _odd(cell)):
            return cells, f"It is not in {self._encoding}; name the file's encoding."
        return cells, ""

    def _texts(self) -> Iterator[str]:
        while line := self._ready or self._lines.next():
            self._ready = b""
            if not self._first:
                self._first = line
            self._size += len(line)
            if len(self.taken) < MAX_TAKEN_BYTES:
                self.taken += line
            if self._size >= MAX_ROW_BYTES:
                raise _TooLongError
            yield line.decode(self._encoding, "surrogateescape")

    def _recovered(self, error: Exception) -> str:
        """Go on behind the row; behind its first line when it does not end."""
        endless = isinstance(error, _TooLongError) or "unexpected end" in str(error)
        if endless:
            self._lines.back(self._began + len(self._first))
            self.inside = not self._first.endswith(b"\n")
            self.taken = self._first[:MAX_TAKEN_BYTES]
        # A reader whose lines have failed is used up.
        self._reader = self._fresh()
        return "A quote is not closed, or the line is too long." if endless else f"{error}."


def _mark_of(line: bytes) -> int:
    """How many bytes at its beginning are a byte order mark, however often it was put there."""
    length = 0
    while found := next((one for one in (BOM, MANGLED_BOM) if line.startswith(one, length)), None):
        length += len(found)
    return length


def _odd(cell: str) -> str:
    return "" if cell.isascii() else cell


def _names(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    if len(names) > MAX_COLUMNS:
        raise _unreadable(f"it has {len(names)} columns, {MAX_COLUMNS} is the most")
    doubled = next((one for one in names if names.count(one) > 1), None)
    if doubled is not None:
        # It is not told: in a file without a header it is somebody's data.
        first = names.index(doubled)
        second = names.index(doubled, first + 1)
        raise _unreadable(f"two columns have one name, columns {first + 1} and {second + 1}")
    return names


def _unreadable(reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"The file can't be read: {reason}.", code="unreadable_file")
