"""Coupons: pools of codes, and the files they come in."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

import msgspec

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
CODE = re.compile(r"[\x21-\x7e]{1,100}")
FileFormat = Literal["csv", "jsonl"]
PART_LINES = 2000
TEST_CODE = "TEST-COUPON"
"""What test mails and previews show: no code of a pool is given for them."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of codes; `low_at`: since when no more than `low_below` are left."""

    workspace: str
    name: str
    low_below: int
    created_at: datetime
    low_at: datetime | None = None
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stock:
    """How many codes are free, given, and past their time."""

    free: int
    given: int
    expired: int


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file: a code, which may end."""

    code: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A line of a file that is no code, and why."""

    line: int
    reason: str


class FileError(ValueError):
    """A file whose lines can't be told apart."""


def parts_of(text: str, form: FileFormat) -> dict[int, str]:
    """A file in parts of so many lines; FileError for one without any code.

    The first line of a CSV file names its columns: `code`, and `expires_at` if they end.
    """
    if "\0" in text:
        raise FileError("There is a NUL character in it.")
    lines = [line for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    if form == "csv" and lines:
        names = [name.strip(" \t\"'").lower() for name in lines[0].split(",")]
        if "code" not in names or not set(names) <= {"code", "expires_at"}:
            message = "The first line names the columns: `code`, and `expires_at` if codes end."
            raise FileError(message)
        header, lines = lines[0], lines[1:]
    if not lines:
        raise FileError("There is no code in it.")
    pages = [lines[at : at + PART_LINES] for at in range(0, len(lines), PART_LINES)]
    if form == "csv":
        pages = [[header, *page] for page in pages]
    return {number: "\n".join(page) for number, page in enumerate(pages)}


def rows_of(content: str, form: FileFormat, number: int) -> Iterator[Row | Refused]:
    """The lines of a part (`number`, from 0): a code, or why it is none."""
    first = number * PART_LINES + 1
    if form == "csv":
        header, *lines = content.split("\n")
        names = [name.strip(" \t\"'").lower() for name in header.split(",")]
        for line, text in enumerate(lines, first + 1):
            # A code has no line end in it: one line at a time, and one bad quote spoils no other.
            try:
                values = next(csv.reader([text], skipinitialspace=True), [])
            except csv.Error:
                values = []
            yield _row(dict(zip(names, values, strict=False)), line)
        return
    for line, text in enumerate(content.split("\n"), first):
        try:
            yield _row(msgspec.json.decode(text, type=dict[str, Any]), line)
        except (msgspec.MsgspecError, RecursionError):
            yield Refused(line, "it is no JSON object")


def _row(told: dict[str, Any], line: int) -> Row | Refused:
    code = told.get("code")
    if not isinstance(code, str) or not CODE.fullmatch(code.strip()):
        return Refused(line, "a code is 1 to 100 visible characters of ASCII, without blanks")
    try:
        return Row(code.strip(), _instant(told.get("expires_at")))
    except (ValueError, OverflowError):
        return Refused(line, "expires_at is a time such as 2026-12-31T23:00:00Z, or a day")


def _instant(told: Any) -> datetime | None:
    """A time; a day counts to its end in UTC."""
    if told in (None, ""):
        return None
    text = str(told)
    if len(text.strip()) == len("2026-12-31"):
        return datetime.combine(date.fromisoformat(text.strip()), time.max, UTC)
    found = datetime.fromisoformat(text.strip())
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
