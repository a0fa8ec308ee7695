"""Files that lists are made of: kept in pieces, read from a plain copy on the disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError
from rapport_common.files.parts import Refusal
from rapport_common.files.rows import Row, Writing
from rapport_common.files.uploads import At, RowFile, put_together
from rapport_common.jobs.store import Job
from rapport_segment.domain.list_rows import (
    KIND,
    VALUE,
    ListSpec,
    identifiers_of,
    kinds_of,
)
from rapport_segment.domain.naming import Refused
from rapport_segment.store.list_files import FILES

FORMS = ("csv", "jsonl")


@dataclass(slots=True)
class Piece:
    """Some rows of a file: identifiers, what was not taken, and where the next one begins."""

    identifiers: list[tuple[str, str]]
    rows: int
    refusals: list[Refusal]
    after: At


class ListFile:
    """A file on the disk, plain; its calls block."""

    def __init__(self, file: BinaryIO, spec: ListSpec) -> None:
        """InvalidRequestError: it can't be read at all, or has no column of identifiers."""
        self._spec = spec
        self._file = RowFile(
            file, spec.form, Writing(delimiter=spec.delimiter, encoding=spec.encoding)
        )
        self.size = self._file.size
        self.count_lines = self._file.count_lines
        columns = self._file.columns
        if columns is None:
            return
        is_said = {KIND, VALUE} <= set(columns)
        if not is_said and not kinds_of(columns, spec.columns):
            # They are not told: without a header they are somebody's data.
            message = (
                f"No column of the file's {len(columns)} is called as a kind of identifier. Say "
                "which is what: column=email=Customer address."
            )
            raise InvalidRequestError(message, code="no_identifiers")

    def piece(self, at: At, most: int) -> Piece | None:
        """The next rows, `most` of them; None at the end."""
        read = self._file.piece(at, most)
        if read is None:
            return None
        found: dict[tuple[str, str], None] = {}
        refusals: list[Refusal] = []
        for line, row in read.rows:
            named = self._named(row)
            if isinstance(named, Refused):
                refusals.append(Refusal(line, named.code, named.reason))
            else:
                found.update(dict.fromkeys(named))
        return Piece(list(found), len(read.rows), refusals, read.after)

    def _named(self, row: Row) -> list[tuple[str, str]] | Refused:
        if row.values is None:
            return Refused(row.code, row.reason)
        return identifiers_of(row.values, self._spec.columns)


@asynccontextmanager
async def opened(engine: AsyncEngine, job: Job, spec: ListSpec) -> AsyncIterator[ListFile]:
    """The file of a job, put together and unpacked."""
    async with put_together(FILES.read(engine, job.workspace, job.id)) as plain:
        yield ListFile(plain, spec)
