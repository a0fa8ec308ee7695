"""The process that reads one file: `python -m` it, with an assignment on standard input."""

import gc
import resource
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from rapport_common.errors import AppError, InvalidRequestError, UnavailableError
from rapport_common.files.rows import Place, Row
from rapport_common.files.separated import SeparatedReader
from rapport_ingest.domain.columns import require_columns
from rapport_ingest.domain.imports import mapping_for
from rapport_ingest.domain.mapping import Mapper
from rapport_ingest.domain.presets import preparing
from rapport_ingest.domain.rows import Composer, Entry
from rapport_ingest.domain.totals import Totals
from rapport_ingest.handlers.places import Found, open_path, open_s3
from rapport_ingest.handlers.readers import Reader, reader_for
from rapport_ingest.handlers.readers.frames import (
    Assignment,
    Checked,
    Checking,
    Ended,
    Failed,
    Frame,
    Opened,
    Piece,
    carried,
    framed,
)

PIECE = 50
PIECE_ROWS = 1000
PIECE_BYTES = 2**20
CHECKED_ROWS = 5000
"""So often how far the check is gets told."""


def main() -> None:
    """Read what is assigned to the end, or say why not."""
    assignment = msgspec.json.decode(sys.stdin.buffer.read(), type=Assignment)
    # Private memory that can be written: the address space also has what is only reserved.
    resource.setrlimit(resource.RLIMIT_DATA, (assignment.memory, assignment.memory))
    out = sys.stdout.buffer
    try:
        for frame in _frames(assignment):
            out.write(framed(frame))
            out.flush()
    except BrokenPipeError:
        return
    except UnavailableError as error:
        _last(out, Failed("unavailable", error.message, passing=True))
    except AppError as error:
        _last(out, Failed(error.code, error.message))
    except MemoryError:
        gc.collect()
        message = (
            f"Reading the file takes more than {assignment.memory // 2**20} MiB of memory. Write "
            "it in smaller rows or row groups."
        )
        _last(out, Failed("too_large", message))


def _last(out: BinaryIO, frame: Failed) -> None:
    out.write(framed(frame))
    out.flush()


def _frames(assignment: Assignment) -> Iterator[Frame]:
    found = _open(assignment)
    if assignment.fingerprint not in {None, found.fingerprint}:
        message = "The file was changed while it was being imported; import it again."
        raise InvalidRequestError(message, code="file_changed")
    spec = assignment.spec
    reader = reader_for(spec, found.file, assignment.unpacked)
    require_columns(spec, reader.columns)
    yield Opened(found.size, found.fingerprint, reader.total)
    if isinstance(reader, SeparatedReader) and reader.mark and not assignment.checked:
        yield from _checking(reader, assignment, found)
    place = assignment.place
    for piece, after in _pieces(_composer(assignment).entries(reader.rows(place), place.refused)):
        yield Piece([carried(one) for one in piece], after, _bytes_read(found, reader, after.rows))
    yield Ended()


def _open(assignment: Assignment) -> Found:
    if assignment.store is None:
        return open_path(assignment.path)
    store = assignment.store
    return open_s3(
        assignment.path,
        endpoint=store.endpoint,
        region=store.region,
        keys=(store.access_key, store.secret_key),
    )


def _checking(
    reader: SeparatedReader, assignment: Assignment, found: Found
) -> Iterator[Checking | Checked]:
    """Read the file once before anything is sent, if its last line says what must be in it."""
    options, begun = assignment.spec.options, assignment.tally
    totals, count = Totals(options.decimals, begun), 0
    reader.trailer, reader.behind_trailer = begun.trailer, begun.behind
    for row in reader.rows(begun.place):
        place = row if isinstance(row, Place) else row.after
        if isinstance(row, Row):
            totals.add(row)
            count += 1
        if isinstance(row, Place) or count % CHECKED_ROWS == 0:
            tally = totals.tally(place, reader.trailer, reader.behind_trailer)
            yield Checking(tally, found.file.tell())
    compared = totals.compared(
        reader.trailer, reader.behind_trailer, needed=options.require_trailer
    )
    yield Checked(compared)


def _composer(assignment: Assignment) -> Composer:
    spec = assignment.spec
    mapping, options = mapping_for(spec), spec.options
    return Composer(
        Mapper(mapping) if mapping is not None else None,
        preparing(spec.preset, options.timezone, options.time_format) if spec.preset else None,
        ids=options.id,
        source=spec.source,
        job=assignment.job,
    )


def _pieces(entries: Iterator[Entry | Place]) -> Iterator[tuple[list[Entry], Place]]:
    """Some entries at a time with the place behind them; none where there was nothing for long."""
    piece: list[Entry] = []
    size = rows = 0
    for one in entries:
        place = one if isinstance(one, Place) else one.after
        if isinstance(one, Entry):
            piece.append(one)
            size += len(one.item)
            rows += one.size
            if len(piece) < PIECE and size <= PIECE_BYTES and rows < PIECE_ROWS:
                continue
        yield piece, place
        piece, size, rows = [], 0, 0
    if piece:
        yield piece, piece[-1].after


def _bytes_read(found: Found, reader: Reader, rows: int) -> int:
    """Of Parquet the share of the rows: its reader goes to and fro."""
    if reader.total is None:
        return found.file.tell()
    return int(found.size * min(1.0, rows / max(reader.total, 1)))


if __name__ == "__main__":
    main()
