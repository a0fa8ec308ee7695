"""Parquet: batches of rows out of one row group after the other."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from rapport_common.errors import InvalidRequestError
from rapport_ingest.domain.rows import Place, Row

BATCH = 200


class ColumnsReader:
    """Reads Parquet; each value becomes what JSON has for it."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._file = pq.ParquetFile(file)
        except pa.ArrowException as error:
            message = f"The file can't be read as Parquet: {error}."
            raise InvalidRequestError(message, code="unreadable_file") from error
        self.total: int | None = self._file.metadata.num_rows

    def rows(self, place: Place) -> Iterator[Row]:
        """The rows from a place on."""
        number, skip = place.rows, place.minor
        for group in range(place.major, self._file.num_row_groups):
            done = 0
            for batch in self._batches(group):
                if done + batch.num_rows <= skip:
                    done += batch.num_rows
                    continue
                fresh = batch.slice(max(0, skip - done))
                done += batch.num_rows - fresh.num_rows
                for values in fresh.to_pylist():
                    done, number = done + 1, number + 1
                    yield _row(Place(group, done, number), values)
            skip = 0

    def _batches(self, group: int) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(batch_size=BATCH, row_groups=[group])
        except pa.ArrowException as error:
            message = f"Row group {group} of the Parquet file is damaged: {error}."
            raise InvalidRequestError(message, code="damaged_file") from error


def _row(after: Place, values: Mapping[str, Any]) -> Row:
    try:
        return Row(after, {str(name): _json(value) for name, value in values.items()})
    except ValueError as error:
        return Row(after, None, repr(values).encode(), "invalid_row", f"{error}.")


def _json(value: Any) -> Any:
    """A JSON value for Arrow's; a float that is no number is missing."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
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
