"""Readers of files: rows with the place behind each, in memory that does not grow with the file."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from rapport_common.files.lines import LinesReader
from rapport_common.files.rows import Place, Row
from rapport_common.files.separated import SeparatedReader
from rapport_common.files.unpacking import unpacked
from rapport_ingest.domain.imports import ImportSpec
from rapport_ingest.domain.presets import TRAILERS

SETTING = "RAPPORT_IMPORT_UNPACKED_BYTES"


class Reader(Protocol):
    """Reads one open file; its calls may block. InvalidRequestError: it can't be read at all."""

    total: int | None
    """The number of rows, where the file says so."""

    columns: Sequence[str] | None
    """The names of the columns, where the file says them once for all rows."""

    def rows(self, place: Place) -> Iterator[Row | Place]:
        """The rows from a place on; a place in between where there is nothing for long."""


def reader_for(spec: ImportSpec, file: BinaryIO, most: int) -> Reader:
    """A reader of an open, seekable file that gives up when it unfolds to over `most` bytes."""
    if spec.form == "parquet":
        from rapport_ingest.handlers.readers.columns import ColumnsReader  # noqa: PLC0415 - pyarrow

        return ColumnsReader(file, most)
    if spec.form == "jsonl":
        return LinesReader(unpacked(file, most, SETTING))
    trailer = spec.options.trailer or TRAILERS.get(spec.preset or "")
    return SeparatedReader(unpacked(file, most, SETTING), spec.options, trailer)
