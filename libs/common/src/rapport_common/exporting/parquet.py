"""Exports as Parquet, a row group at a time."""

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import override

from rapport_common.exporting.columns import Column, Kind, Row, text_of

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 5_000
"""Rows of a group; they are held until it is full."""
GROUP_BYTES = 4 * 1024 * 1024
"""Of texts; then it is written whatever it has."""


class ParquetWriting(Generic[Row]):
    """A file of row groups; times in microseconds UTC, what has parts is JSON in a text."""

    def __init__(self, columns: Sequence[Column[Row]], *, compression: str) -> None:
        from pyarrow import parquet  # noqa: PLC0415 - 50 MB of memory, for those who use it

        self._columns = columns
        self._schema = _schema(columns)
        self._parts: list[bytes] = []
        sink = _Sink(self._parts)
        self._file = parquet.ParquetWriter(sink, self._schema, compression=compression)
        self._clear()

    def begin(self) -> bytes:
        """The file's mark."""
        return self._taken()

    def add(self, rows: Iterable[Row]) -> bytes:
        """The group that is full with these, if one is."""
        for row in rows:
            for column, values in zip(self._columns, self._values, strict=True):
                value = _plain(column.kind, column.of(row))
                self._bytes += len(value) if isinstance(value, str) else 8
                values.append(value)
            self._rows += 1
        return self._written() if self._rows >= GROUP or self._bytes >= GROUP_BYTES else b""

    def end(self) -> bytes:
        """The last group, and where each is."""
        last = self._written() if self._rows else b""
        self._file.close()
        return last + self._taken()

    def _written(self) -> bytes:
        import pyarrow as pa  # noqa: PLC0415 - as above

        arrays = [
            pa.array(values, one.type)
            for values, one in zip(self._values, self._schema, strict=True)
        ]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._clear()
        return self._taken()

    def _taken(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken

    def _clear(self) -> None:
        self._values: list[list[Any]] = [[] for _ in self._columns]
        self._rows = self._bytes = 0


class _Sink(io.RawIOBase):
    """A file that is written to a list; whoever has that empties it."""

    def __init__(self, parts: list[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._at = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, part: Any) -> int:
        kept = bytes(part)
        self._parts.append(kept)
        self._at += len(kept)
        return len(kept)

    @override
    def tell(self) -> int:
        return self._at


def _schema(columns: Sequence[Column[Row]]) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - as above

    types = {
        Kind.TEXT: pa.string(),
        Kind.NUMBER: pa.int64(),
        Kind.TIME: pa.timestamp("us", tz="UTC"),
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.JSON: pa.string(),
    }
    return pa.schema([(one.name, types[one.kind]) for one in columns])


def _plain(kind: Kind, value: Any) -> Any:
    return text_of(value) if kind is Kind.JSON else value
