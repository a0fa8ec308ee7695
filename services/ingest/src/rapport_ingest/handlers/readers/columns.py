"""Parquet: batches of rows out of one row group after the other, within bounded memory.

A value that many rows share is kept once (as a dictionary) and measured before it is made into
text, so that a file of some hundred bytes does not become gigabytes. Times are read as the whole
numbers they are stored as: Python's own have no nanoseconds and no year 10,000.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import Place, Row
from rapport_common.files.unpacking import MAX_ROW_BYTES

BATCH = 200
BATCH_BYTES = 8 * 2**20
"""So much of a batch, as its rows would be in the end, is made into Python values at a time."""

EMPTY_GROUPS = 1000
"""After so many row groups without a row a sign is given."""

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DAY_SECONDS = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
MAX_INTEGER, MIN_INTEGER = 2**64 - 1, -(2**63)
"""What JSON's readers take as whole numbers; longer ones keep their digits as decimals."""

Convert = Callable[[Any], Any]


class ColumnsReader:
    """Reads Parquet; each value becomes what JSON has for it. `most` bounds what is decoded."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        try:
            found = pq.ParquetFile(file)
            self._file = pq.ParquetFile(file, read_dictionary=_repeated(found))
        except (pa.ArrowException, OSError) as error:
            message = f"The file can't be read as Parquet: {error}."
            raise InvalidRequestError(message, code="unreadable_file") from error
        self.total: int | None = self._file.metadata.num_rows
        self.columns: Sequence[str] | None = self._file.schema_arrow.names
        self._left = most

    def rows(self, place: Place) -> Iterator[Row | Place]:
        """The rows from a place on, and places where there is nothing for long."""
        number, skip = place.rows, place.minor
        for group in range(place.major, self._file.num_row_groups):
            done = 0
            for batch in self._batches(group):
                if done + batch.num_rows <= skip:
                    done += batch.num_rows
                    continue
                fresh = batch.slice(max(0, skip - done))
                done += batch.num_rows - fresh.num_rows
                for part in _parts(fresh):
                    for values in self._values(part):
                        done, number = done + 1, number + 1
                        yield _row(Place(group, done, number), values)
            skip = 0
            if not done and group % EMPTY_GROUPS == EMPTY_GROUPS - 1:
                yield Place(group + 1, 0, number)

    def _batches(self, group: int) -> Iterator[Any]:
        metadata = self._file.metadata.row_group(group)
        average = metadata.total_byte_size // max(1, metadata.num_rows)
        size = max(1, min(BATCH, BATCH_BYTES // max(1, average)))
        try:
            yield from self._file.iter_batches(
                batch_size=size, row_groups=[group], use_threads=False
            )
        except (pa.ArrowException, OSError) as error:
            message = f"Row group {group} of the Parquet file is damaged: {error}."
            raise InvalidRequestError(message, code="damaged_file") from error

    def _values(self, batch: Any) -> Iterator[dict[str, Any] | str]:
        """The rows of a batch; the reason in place of one that can't be read."""
        size = _size(batch)
        self._left -= size
        if self._left < 0:
            message = "The file unfolds to more than is read of one; cut it in two."
            raise InvalidRequestError(message, code="too_large")
        if batch.num_rows == 1 and size > MAX_ROW_BYTES:
            yield f"It has {size} bytes; a row has {MAX_ROW_BYTES} at most."
            return
        columns = [_column(batch, index) for index in range(batch.num_columns)]
        for row in range(batch.num_rows):
            values: dict[str, Any] = {}
            reason = ""
            for name, cell in columns:
                try:
                    values[name] = cell(row)
                except (ValueError, OverflowError, pa.ArrowException) as error:
                    reason = reason or f"Column '{name[:100]}': {_told(error)}"
            yield reason or values


def _repeated(file: Any) -> list[str]:
    """The columns of texts of which a row group keeps each value once."""
    metadata = file.metadata
    found: set[str] = set()
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            packed = any("DICTIONARY" in one for one in column.encodings)
            if packed and column.physical_type == "BYTE_ARRAY" and "." not in column.path_in_schema:
                found.add(column.path_in_schema)
    texts = {
        field.name
        for field in file.schema_arrow
        if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    }
    return sorted(found & texts)


def _size(batch: Any) -> int:
    """Bytes of a batch with each value where it stands."""
    return sum(_column_size(column) for column in batch.columns)


def _column_size(column: Any) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(pc.take(lengths, column.indices)).as_py() or 0)


def _parts(batch: Any) -> Iterator[Any]:
    """The batch, or halves of it that are small enough or have one row."""
    waiting = [batch]
    while waiting:
        part = waiting.pop()
        if part.num_rows < 2 or _size(part) <= BATCH_BYTES:  # noqa: PLR2004 - a half needs two
            if part.num_rows:
                yield part
            continue
        middle = part.num_rows // 2
        waiting += [part.slice(middle), part.slice(0, middle)]


def _row(after: Place, values: dict[str, Any] | str) -> Row:
    if isinstance(values, str):
        return Row(after, None, b"", "invalid_row", values)
    return Row(after, values)


def _column(batch: Any, index: int) -> tuple[str, Callable[[int], Any]]:
    """The name of a column, and what gives the value of one of its rows."""
    column, name = batch.column(index), str(batch.schema.field(index).name)
    kind = column.type
    convert = _converting(kind)
    if convert is not None:
        column = column.cast(pa.int32() if _is_narrow(kind) else pa.int64())
    try:
        values = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        # One of them has no form in Python: each is tried alone.
        return name, lambda row: (convert or _json)(column[row].as_py())
    return name, lambda row: (convert or _json)(values[row])


def _is_narrow(kind: Any) -> bool:
    return bool(pa.types.is_date32(kind) or pa.types.is_time32(kind))


def _converting(kind: Any) -> Convert | None:
    """How the whole numbers of a column of times are read; None: they are no times."""
    types = pa.types
    if types.is_timestamp(kind):
        return lambda value: None if value is None else _moment(value, PER_SECOND[kind.unit])
    if types.is_date(kind):
        per_day = 1 if types.is_date32(kind) else DAY_SECONDS * 10**3
        return lambda value: None if value is None else _day(value // per_day)
    if types.is_time(kind):
        return lambda value: None if value is None else _clock(value, PER_SECOND[kind.unit])
    if types.is_duration(kind):
        return lambda value: None if value is None else _exact(value, PER_SECOND[kind.unit])
    return None


def _moment(value: int, per_second: int) -> str:
    """ISO 8601 in UTC, with all the digits that are there."""
    seconds, rest = divmod(value, per_second)
    try:
        whole = EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        message = "it is outside the years 1 to 9999"
        raise ValueError(message) from error
    return f"{whole.isoformat().removesuffix('+00:00')}{_fraction(rest, per_second)}Z"


def _day(days: int) -> str:
    try:
        return date.fromordinal(EPOCH_DAY + days).isoformat()
    except (ValueError, OverflowError) as error:
        message = "it is outside the years 1 to 9999"
        raise ValueError(message) from error


def _clock(value: int, per_second: int) -> str:
    seconds, rest = divmod(value, per_second)
    if not 0 <= seconds < DAY_SECONDS:
        message = "it is no time of a day"
        raise ValueError(message)
    shown = (datetime.min + timedelta(seconds=seconds)).time().isoformat()  # noqa: DTZ901 - a time alone
    return shown + _fraction(rest, per_second)


def _fraction(rest: int, per_second: int) -> str:
    """The part of a second, to the microsecond, or the nanosecond where that says more."""
    nanoseconds = rest * (PER_SECOND["ns"] // per_second)
    if not nanoseconds:
        return ""
    microseconds, beyond = divmod(nanoseconds, 1000)
    return f".{nanoseconds:09}" if beyond else f".{microseconds:06}"


def _exact(value: int, per_second: int) -> Any:
    """Seconds."""
    return _json(Decimal(value).scaleb(1 - len(str(per_second))))


def _json(value: Any) -> Any:
    """A JSON value for Arrow's; a float that is no number is missing."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if MIN_INTEGER <= value <= MAX_INTEGER else Decimal(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        if value != value.to_integral_value():
            return value
        return _json(int(value))
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return _nested(value)


def _nested(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {str(key): _json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(one) for one in value]
    message = f"a value of type {type(value).__name__} has no form in JSON"
    raise ValueError(message)


def _told(error: Exception) -> str:
    """The error in words for the file's owner."""
    if isinstance(error, UnicodeError):
        return "it is not text in UTF-8."
    if isinstance(error, OverflowError) or "year" in str(error):
        return "it is outside the years 1 to 9999."
    return f"{error}."
