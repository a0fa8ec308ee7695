"""Rows of a file, and how it is written."""

from typing import Any, Literal, NamedTuple

import msgspec

INSIDE = 1
"""The `major` of a place in a line that is too long: the rest of it is no row."""

MAX_TAKEN_BYTES = 32 * 1024
"""So much is shown of a row that can't be read."""

Encoding = Literal[
    "utf-8",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "gb18030",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "big5",
]
"""Encodings in which the byte of a line end is nothing else."""


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """How a file of separated values is written.

    `delimiter` is found in the first line when it is not given; `quote` "" means there are no
    quotes. `columns` names the columns in place of the header, and must when there is none.
    `short_rows` says what becomes of rows with too few cells.
    """

    delimiter: str | None = None
    quote: str = '"'
    encoding: Encoding = "utf-8"
    header: bool = True
    columns: tuple[str, ...] = ()
    short_rows: Literal["reject", "fill"] = "reject"


class Place(NamedTuple):
    """Where reading goes on: a row group and the rows of it, or bytes of a text; rows so far.

    Of a text `major` is 0 or INSIDE. `refused` marks the key of an event that has too many rows:
    those that still follow are refused too, wherever reading goes on among them.
    """

    major: int = 0
    minor: int = 0
    rows: int = 0
    refused: str = ""


class Row(NamedTuple):
    """A row as it was read: its values, or the code and reason why it has none.

    `after` is the place behind it, so `after.rows` is its number, from 1. `raw` is its text where
    the values say less.
    """

    after: Place
    values: dict[str, Any] | None
    raw: bytes | None = None
    code: str = ""
    reason: str = ""
