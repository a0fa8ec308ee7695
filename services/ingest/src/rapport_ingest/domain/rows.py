"""Rows of a file and the events they become, each with a message id that never changes."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from rapport_common.files.rows import Place, Row
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


MEND = "It can't be repaired in the quarantine: mend the file, import it again, and discard this."
TOO_MANY_ROWS = (
    f"More than {MAX_GROUP} rows belong to one event, rows that can't be read among them counted, "
    "or more than a megabyte of blank lines stands there. Check the column of group_by."
)


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

    def entries(self, rows: Iterable[Row | Place], refused: str = "") -> Iterator[Entry | Place]:
        """The entries in the order of their rows; a place where there was nothing for long.

        `refused` is that of the place where the rows begin.
        """
        if self._mapper is not None and self._mapper.groups:
            yield from self._grouped(self._mapper, rows, refused)
            return
        for row in rows:
            yield row if isinstance(row, Place) else self._single(row)

    def _single(self, row: Row) -> Entry:
        if row.values is None:
            return self._broken(row)
        if self._mapper is None:
            item = row.raw if row.raw is not None else _encode(row.values)
            return self._entry([row], item)
        return self._mapped(self._mapper, [row])

    def _grouped(
        self, mapper: Mapper, rows: Iterable[Row | Place], refused: str
    ) -> Iterator[Entry | Place]:
        """One entry for rows with the same key; a row that can't be read spoils it from inside.

        An event that does not end is refused piece by piece, so that there is progress.
        """
        group: list[Row] = []
        unread: list[Row] = []
        key = None
        for row in rows:
            if isinstance(row, Place):
                if group:
                    refused = _mark(key)
                    yield self._endless([*group, *unread], refused)
                    group, unread = [], []
                yield row._replace(refused=refused)
                continue
            if row.values is None:
                if group:
                    unread.append(row)
                else:
                    yield _marked(self._broken(row), refused)
            else:
                found = self._key(mapper, row)
                if group and found is not None and found == key:
                    group += [*unread, row]
                else:
                    yield from self._ended(mapper, group, unread, refused)
                    group, key = [row], found
                    refused = refused if refused and refused == _mark(key) else ""
                unread = []
            if len(group) + len(unread) > MAX_GROUP:
                refused = _mark(key)
                yield self._endless([*group, *unread], refused)
                group, unread = [], []
        yield from self._ended(mapper, group, unread, refused)

    def _ended(
        self, mapper: Mapper, group: list[Row], unread: list[Row], refused: str
    ) -> Iterator[Entry]:
        """The event of a group, or the refused rest of one."""
        if group:
            yield self._endless(group, refused) if refused else self._mapped(mapper, group)
        for row in unread:
            yield _marked(self._broken(row), refused)

    def _endless(self, rows: list[Row], refused: str) -> Entry:
        values = [row.values for row in rows if row.values is not None]
        entry = _marked(self._entry(rows, _encode(_plain(values[:MAX_GROUP]))), refused)
        refusal = Refusal(entry.id, "mapping_failed", "properties.products", TOO_MANY_ROWS)
        return entry._replace(refusal=refusal)

    def _key(self, mapper: Mapper, row: Row) -> str | None:
        if self._prepare is not None and row.values is not None:
            self._prepare(row.values)
        try:
            return mapper.key(row.values or {})
        except ValueError:
            return None

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
        return entry._replace(refusal=Refusal(entry.id, row.code, "", f"{row.reason} {MEND}"))

    def _entry(self, rows: list[Row], item: bytes) -> Entry:
        first, last = rows[0].after.rows, rows[-1].after
        return Entry(msgspec.Raw(item), self._id(first, item), first, last.rows, len(rows), last)

    def _id(self, first: int, content: bytes) -> str:
        if self._ids == "job":
            return f"{self._job}-{first}"
        number = str(first).encode() if self._ids == "row" else b""
        parts = b"\0".join((self._source.encode(), number, content))
        return hashlib.blake2b(parts, digest_size=ID_BYTES).hexdigest()


def _mark(key: str | None) -> str:
    """What a place remembers of a key, which may be long."""
    return "" if key is None else hashlib.blake2b(key.encode(), digest_size=ID_BYTES).hexdigest()


def _marked(entry: Entry, refused: str) -> Entry:
    return entry._replace(after=entry.after._replace(refused=refused)) if refused else entry


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
