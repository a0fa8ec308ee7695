"""Exports as text: CSV (RFC 4180) and JSON Lines, a piece at a time."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from rapport_common.exporting.columns import Column, Row, text_of

FORMULAS = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?")


_Taken_contra = TypeVar("_Taken_contra", contravariant=True)


class Writing(Protocol[_Taken_contra]):
    """Makes a file of rows."""

    def begin(self) -> bytes:
        """What stands before the first of them."""

    def add(self, rows: Iterable[_Taken_contra]) -> bytes:
        """What is to be written next."""

    def end(self) -> bytes:
        """What stands behind the last."""


class CsvWriting(Generic[Row]):
    """One line for a row, with a line of names before the first.

    What has parts is JSON. With `guarded`, a text that a spreadsheet would take for a formula
    has an apostrophe before it; numbers, phone numbers among them, stay as they are.
    """

    def __init__(
        self, columns: Sequence[Column[Row]], *, guarded: bool, named: bool = True
    ) -> None:
        self._columns = columns
        self._guarded = guarded
        self._named = named

    def begin(self) -> bytes:
        """The line of names, unless the file goes on where another has ended."""
        return self._lines([[one.name for one in self._columns]]) if self._named else b""

    def add(self, rows: Iterable[Row]) -> bytes:
        """Their lines."""
        return self._lines([text_of(one.of(row)) for one in self._columns] for row in rows)

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def _lines(self, rows: Iterable[Sequence[str | None]]) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        for row in rows:
            writer.writerow([self._cell(one or "") for one in row])
        return out.getvalue().encode()

    def _cell(self, text: str) -> str:
        if self._guarded and text.startswith(FORMULAS) and not _NUMBER.fullmatch(text):
            return f"'{text}"
        return text


class JsonWriting(Generic[Row]):
    """One JSON object in a line for a row; the columns are its fields."""

    def __init__(self, columns: Sequence[Column[Row]]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def add(self, rows: Iterable[Row]) -> bytes:
        """Their lines."""
        encode = msgspec.json.encode
        return b"".join(
            encode({one.name: one.of(row) for one in self._columns}) + b"\n" for row in rows
        )

    def end(self) -> bytes:
        """Nothing."""
        return b""
