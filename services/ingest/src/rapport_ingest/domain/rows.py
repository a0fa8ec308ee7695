"""Rows of a file and the events they become, each with a message id that never changes."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from rapport_ingest.domain.imports import Ids
from rapport_ingest.domain.mapping import MAX_GROUP, Mapper, MappingError
from rapport_ingest.domain.presets import Prepare
from rapport_ingest.domain.verdict import Refusal

ID_BYTES = 16
# Decimals are numbers in JSON, with all their digits.
_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode

FORMULA_ERRORS = frozenset(
    ("#N/A", "#NV", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
)
"""What a spreadsheet writes in place of a value it could not compute."""


class Place(NamedTuple):
    """Where reading goes on: a row group and the rows of it, or 0 and bytes; rows so far."""

    major: int = 0
    minor: int = 0
    rows: int = 0


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


class Entry(NamedTuple):
    """An event made of one or several rows, or what was in the place of one, with its refusal."""

    item: msgspec.Raw
    id: str
    first: int
    last: int
    size: int
    after: Place
    refusal: Refusal | None = None

    @property
    def rows(self) -> str:
        """The rows as they are named in messages."""
        return f"row {self.first}" if self.first == self.last else f"rows {self.first}-{self.last}"


class Composer:
    """Makes entries of rows; the same rows make the same entries, wherever reading begins."""

    def __init__(
        self, mapper: Mapper | None, prepare: Prepare | None, *, ids: Ids, source: str, job: str
    ) -> None:
        self._mapper = mapper
        self._prepare = prepare
        self._ids = ids
        self._source = source
        self._job = job

    def entries(self, rows: Iterable[Row]) -> Iterator[Entry]:
        """The entries in the order of their rows."""
        if self._mapper is not None and self._mapper.groups:
            yield from self._grouped(self._mapper, rows)
            return
        for row in rows:
            yield self._single(row)

    def _single(self, row: Row) -> Entry:
        if row.values is None:
            return self._broken(row)
        if self._mapper is None:
            item = row.raw if row.raw is not None else _encode(row.values)
            return self._entry([row], item)
        return self._mapped(self._mapper, [row])

    def _grouped(self, mapper: Mapper, rows: Iterable[Row]) -> Iterator[Entry]:
        """One entry for rows with the same key; a row that can't be read spoils it from inside."""
        group: list[Row] = []
        broken: list[Row] = []
        more, key = 0, None
        for row in rows:
            if row.values is None:
                broken.append(row)
                continue
            found = self._key(mapper, row)
            if not group or found is None or found != key:
                yield from self._group(mapper, group, more, broken)
                group, more, key = [row], 0, found
            elif len(group) > MAX_GROUP:
                # Too many to be kept, and refused anyway: only the last one says how far it goes.
                more += 1 + len(broken)
                group[-1] = row
            else:
                group += [*broken, row]
            broken = []
        yield from self._group(mapper, group, more, broken)

    def _key(self, mapper: Mapper, row: Row) -> str | None:
        if self._prepare is not None and row.values is not None:
            self._prepare(row.values)
        try:
            return mapper.key(row.values or {})
        except ValueError:
            return None

    def _group(
        self, mapper: Mapper, group: list[Row], more: int, broken: list[Row]
    ) -> Iterator[Entry]:
        if group:
            entry = self._mapped(mapper, group)
            yield entry._replace(size=entry.size + more)
        for row in broken:
            yield self._broken(row)

    def _mapped(self, mapper: Mapper, rows: list[Row]) -> Entry:
        values = [row.values for row in rows if row.values is not None]
        if self._prepare is not None and not mapper.groups:
            self._prepare(values[0])
        try:
            _check_read(rows)
            event = mapper.event(values)
            if any(_has_errors(one) for one in values):
                _check_computed(event, "")
            return self._entry(rows, _encode(event))
        except MappingError as error:
            entry = self._entry(rows, _encode(_plain(values[:MAX_GROUP])))
            refusal = Refusal(entry.id, "mapping_failed", error.path, error.reason)
            return entry._replace(refusal=refusal)

    def _broken(self, row: Row) -> Entry:
        entry = self._entry([row], _encode((row.raw or b"").decode("utf-8", "replace")))
        return entry._replace(refusal=Refusal(entry.id, row.code, "", row.reason))

    def _entry(self, rows: list[Row], item: bytes) -> Entry:
        first, last = rows[0].after.rows, rows[-1].after
        return Entry(msgspec.Raw(item), self._id(first, item), first, last.rows, len(rows), last)

    def _id(self, first: int, content: bytes) -> str:
        if self._ids == "job":
            return f"{self._job}-{first}"
        number = str(first).encode() if self._ids == "row" else b""
        parts = b"\0".join((self._source.encode(), number, content))
        return hashlib.blake2b(parts, digest_size=ID_BYTES).hexdigest()


def _has_errors(values: dict[str, Any]) -> bool:
    return any(isinstance(one, str) and one in FORMULA_ERRORS for one in values.values())


def _check_computed(value: Any, path: str) -> None:
    """MappingError when a spreadsheet's error has become part of the event."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_computed(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _check_computed(inner, f"{path}.{number}")
    elif isinstance(value, str) and value.strip() in FORMULA_ERRORS:
        raise MappingError(path, f"The cell has the spreadsheet's error {value.strip()}, no value.")


def _check_read(rows: list[Row]) -> None:
    unread = next((row for row in rows if row.values is None), None)
    if unread is not None:
        reason = f"Row {unread.after.rows} among its rows can't be read: {unread.reason}"
        raise MappingError("properties.products", reason)


def _plain(values: list[dict[str, Any]]) -> Any:
    """The rows of a refused entry."""
    return values[0] if len(values) == 1 else values
