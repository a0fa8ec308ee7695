"""Files of addresses that a job puts on the suppression list, a transaction for each piece.

A piece that is repeated after a crash changes nothing. What was taken of a file that is not read to
its end stays on the list.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import BinaryIO, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.suppressions import (
    EntryError,
    ListedPurpose,
    Place,
    has_address,
    row_of,
)
from rapport_campaign.handlers.suppressing import PIECE, put
from rapport_campaign.store.jobs import JOBS
from rapport_campaign.store.suppression_list import FILES
from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.files.parts import Refusal
from rapport_common.files.rows import Encoding, Row, Writing
from rapport_common.files.uploads import At, Received, RowFile, pieces, put_together
from rapport_common.ids import uuid7
from rapport_common.jobs.store import Job, NewJob, Step

IMPORT = "suppressions"
FileForm = Literal["csv", "jsonl", "lines"]
MOST_REFUSED = 100_000
"""Rows that are refused of any file; of one with more rows that are taken, as many as these."""


class FileSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is read; `reason` and `purpose` are for rows that have none, `actor` sent it."""

    form: FileForm
    reason: str
    purpose: ListedPurpose
    actor: str
    encoding: Encoding = "utf-8"
    delimiter: str | None = None

    @property
    def writing(self) -> Writing:
        """Of what is no JSON. Without a header a line is an address, and perhaps why."""
        if self.form == "lines":
            columns = ("address", "reason")
            return Writing(header=False, columns=columns, short_rows="fill", encoding=self.encoding)
        return Writing(delimiter=self.delimiter, encoding=self.encoding)


async def begin(tx: AsyncConnection, workspace: str, spec: FileSpec, file: Received) -> str:
    """Keep a file, and begin to put what it has on the list; the id of the job."""
    job = str(uuid7())
    for number, content in enumerate(pieces(file)):
        await FILES.write(tx, workspace, job, number, content)
    await JOBS.add(tx, workspace, NewJob(job, IMPORT, msgspec.to_builtins(spec)))
    return job


class Imports:
    """The work of the jobs that read files of addresses."""

    def __init__(self, engine: AsyncEngine, rows: int = PIECE) -> None:
        """`rows`: of one transaction."""
        self._engine = engine
        self._rows = rows

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Put what a file has on the list, see `jobs.worker.Work`."""
        spec = msgspec.convert(job.spec, FileSpec)
        async with put_together(FILES.read(self._engine, job.workspace, job.id)) as plain:
            file = await asyncio.to_thread(_opened, plain, spec)
            at, report = At(**job.position), dict(job.report)
            if not job.position:
                lines = await asyncio.to_thread(file.count_lines)
                report = {"added": 0, "bytes": 0, "total_bytes": file.size}
                yield Step(asdict(at), 0, 0, 0, report, lines)
            taken, left = job.accepted, job.rejected
            while (piece := await asyncio.to_thread(file.piece, at, self._rows)) is not None:
                added, refused = await self._put(job, spec, piece.rows)
                at, rows = piece.after, len(piece.rows)
                report = {**report, "bytes": at.offset, "added": report["added"] + added}
                yield Step(asdict(at), rows, rows - refused, refused, report)
                taken, left = taken + rows - refused, left + refused
                _require_mostly_taken(taken, left)
        async with self._engine.begin() as tx:
            await FILES.forget(tx, job.workspace, job.id)
            await _require_going_on(tx, job)

    async def _put(self, job: Job, spec: FileSpec, rows: list[tuple[int, Row]]) -> tuple[int, int]:
        """How many of these are new on the list, and how many are none that can be on it."""
        places: list[tuple[Place, str]] = []
        refusals: list[Refusal] = []
        for line, row in rows:
            found = _read(line, row, spec)
            if isinstance(found, Refusal):
                refusals.append(found)
            else:
                places.append(found)
        async with self._engine.begin() as tx:
            # Who is to be forgotten is so with all that was received before the wish.
            added = await put(tx, (job.workspace, spec.actor), places, at=job.created_at)
            await FILES.refuse(tx, (job.workspace, job.id), refusals, clock.now())
            await _require_going_on(tx, job)
        return added, len(refusals)


async def put_away(tx: AsyncConnection, job: Job) -> None:
    """A file is not read to its end, see `jobs.ending.PutAway`: it goes at once."""
    await FILES.forget(tx, job.workspace, job.id)


def _opened(plain: BinaryIO, spec: FileSpec) -> RowFile:
    file = RowFile(plain, "jsonl" if spec.form == "jsonl" else "csv", spec.writing)
    if file.columns is not None and not has_address(file.columns):
        # They are not told: without a header they are somebody's data.
        message = (
            f"No column of the file's {len(file.columns)} is called address, email or phone. A "
            "file without a header has the format `lines`: an address, and perhaps why."
        )
        raise InvalidRequestError(message, code="no_address")
    return file


def _read(line: int, row: Row, spec: FileSpec) -> tuple[Place, str] | Refusal:
    if row.values is None:
        return Refusal(line, row.code, row.reason)
    try:
        place, reason = row_of(row.values, spec.purpose)
    except EntryError as error:
        return Refusal(line, error.code, f"{error.where}: {error}.")
    return place, reason or spec.reason


async def _require_going_on(tx: AsyncConnection, job: Job) -> None:
    """Keep a job from being ended until the end of `tx`; ConflictError if it has been."""
    if not await JOBS.hold(tx, job):
        message = f"Job {job.id} was ended meanwhile."
        raise ConflictError(message)


def _require_mostly_taken(taken: int, refused: int) -> None:
    """InvalidRequestError for a file of which so much is refused that it is no list."""
    if refused > max(taken, MOST_REFUSED):
        message = (
            f"{refused} rows were refused and {taken} taken: this is no list of addresses. "
            "Look at the refused rows, and send the file again."
        )
        raise InvalidRequestError(message, code="too_many_refused")
