"""Jobs of lists: what a file has is put on one; what is on one that is archived is taken off.

While a file is read, its rows are on the list as they come, a transaction for each piece. The
segments that ask for the list count as being built until then, and are built when all is there.
Of a file that is not read to its end what was taken stays, and they are built by that.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.files.uploads import At, Received, pieces
from rapport_common.ids import uuid7
from rapport_common.jobs.store import Job, NewJob, Step
from rapport_segment.domain.list_rows import ListSpec, wrong_kind
from rapport_segment.domain.naming import kind_called
from rapport_segment.handlers.list_files import ListFile, Piece, opened
from rapport_segment.handlers.list_use import users_of
from rapport_segment.handlers.lists import require_living, subjects_of
from rapport_segment.handlers.segments import begin_anew
from rapport_segment.store import definitions, lists
from rapport_segment.store.definitions import Stored
from rapport_segment.store.jobs import JOBS, UPLOAD
from rapport_segment.store.list_files import FILES
from rapport_segment.store.lists import KeptList

ROWS = 2000
"""Of one transaction."""

MOST_REFUSED = 100_000
"""Rows that are refused of any file; of one with more rows that are taken, as many as these."""

TAKEN = 10_000
"""So many are taken off a list in one transaction."""


async def begin(tx: AsyncConnection, workspace: str, spec: ListSpec, file: Received) -> str:
    """Keep a file, and begin to put what it has on a list; the id of the job."""
    wrong = wrong_kind(spec.columns)
    if wrong is not None:
        message = f"column: {wrong[:64]!r} is no kind of identifier: a-z, 0-9, '_'."
        raise InvalidRequestError(message, details={"path": "column"})
    spec = msgspec.structs.replace(
        spec, columns={kind_called(kind): name for kind, name in spec.columns.items()}
    )
    await require_living(tx, workspace, UUID(spec.list_id))
    job = str(uuid7())
    for number, content in enumerate(pieces(file)):
        await FILES.write(tx, workspace, job, number, content)
    new = NewJob(job, UPLOAD, msgspec.to_builtins(spec), subject=spec.list_id)
    await JOBS.add(tx, workspace, new)
    return job


class Uploading:
    """The work of the jobs of lists."""

    def __init__(self, engine: AsyncEngine, key: bytes, rows: int = ROWS) -> None:
        """`key`: the installation's identity key."""
        self._engine = engine
        self._key = key
        self._rows = rows

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Put what a file has on a list, see `jobs.worker.Work`."""
        spec = msgspec.convert(job.spec, ListSpec)
        position, report = dict(job.position), dict(job.report)
        async with opened(self._engine, job, spec) as file:
            if not position:
                lines = await asyncio.to_thread(file.count_lines)
                position = {"generation": await self._begun(job, spec), "at": asdict(At())}
                report = {"bytes": 0, "total_bytes": file.size}
                yield Step(position, 0, 0, 0, report, lines)
            taken, left = job.accepted, job.rejected
            async for piece in self._read(job, file, position, replaces=spec.replaces):
                position = {**position, "at": asdict(piece.after)}
                report = {**report, "bytes": piece.after.offset}
                refused = len(piece.refusals)
                yield Step(position, piece.rows, piece.rows - refused, refused, report)
                taken, left = taken + piece.rows - refused, left + refused
                _require_mostly_taken(taken, left)
        if spec.replaces:
            async for step in self._cleared(job, position, report):
                yield step
        await self._ended(job)

    async def clear(self, job: Job) -> AsyncIterator[Step]:
        """Take all off a list that is archived."""
        async with self._engine.begin() as tx:
            generation = await lists.next_generation(tx, job.workspace, UUID(job.subject or ""))
        async for step in self._cleared(job, {"generation": generation}, {}):
            yield step

    async def _begun(self, job: Job, spec: ListSpec) -> int:
        """The generation of what the file has; who asks for the list is being built from now on."""
        async with self._engine.begin() as tx:
            await definitions.seize(tx, job.workspace)
            one = await require_living(tx, job.workspace, UUID(spec.list_id))
            for user in await _users(tx, one):
                await definitions.set_job(tx, job.workspace, user.segment_id, job.id)
            generation = one.generation
            if spec.replaces:
                generation = await lists.next_generation(tx, job.workspace, one.list_id)
            await _require_going_on(tx, job)
        return generation

    async def _read(
        self, job: Job, file: ListFile, position: dict[str, Any], *, replaces: bool
    ) -> AsyncIterator[Piece]:
        """The pieces of a file, each when it is on the list."""
        list_id, at = UUID(job.subject or ""), At(**position["at"])
        while (piece := await asyncio.to_thread(file.piece, at, self._rows)) is not None:
            subjects = subjects_of(self._key, job.workspace, piece.identifiers)
            now = clock.now()
            async with self._engine.begin() as tx:
                one = await require_living(tx, job.workspace, list_id)
                await _require_going_on(tx, job)
                # What is only added stays, also if another file replaces what was there before.
                generation = position["generation"] if replaces else one.generation
                # Who is to be forgotten is so with all that was received before the wish.
                await lists.put(tx, one, subjects, generation=generation, now=job.created_at)
                await FILES.refuse(tx, (job.workspace, job.id), piece.refusals, now)
            yield piece
            at = piece.after

    async def _cleared(
        self, job: Job, position: dict[str, Any], report: dict[str, Any]
    ) -> AsyncIterator[Step]:
        """Take off what is of a generation before."""
        list_id, taken = UUID(job.subject or ""), TAKEN
        while taken == TAKEN:
            async with self._engine.begin() as tx:
                await _require_going_on(tx, job)
                taken = await lists.take_former(
                    tx, job.workspace, list_id, before=position["generation"], limit=TAKEN
                )
            yield Step(position, 0, 0, 0, report)

    async def _ended(self, job: Job) -> None:
        """All is there: who asks for the list is built, and the file is needed no more.

        Nobody judges meanwhile: who did so by the list as it was is done, and the builds find them.
        """
        async with self._engine.begin() as tx:
            await definitions.seize(tx, job.workspace)
            one = await require_living(tx, job.workspace, UUID(job.subject or ""))
            await _require_going_on(tx, job)
            for user in await _users(tx, one):
                await begin_anew(tx, user)
            await FILES.forget(tx, job.workspace, job.id)


async def put_away(tx: AsyncConnection, job: Job) -> None:
    """A file is not read to its end, see `jobs.ending.PutAway`: it goes at once, and who asks for
    the list is built by what was taken of it.
    """
    await definitions.seize(tx, job.workspace)
    await FILES.forget(tx, job.workspace, job.id)
    # As it is now: the first piece may have come while the lock was waited for.
    job = await JOBS.find(tx, job.workspace, job.id) or job
    one = await lists.find(tx, job.workspace, UUID(job.subject or ""), hold=True)
    if one is None or one.archived_at is not None:
        return
    users = await _users(tx, one)
    if job.position or any(user.job == job.id for user in users):
        for user in users:
            await begin_anew(tx, user)


async def _users(tx: AsyncConnection, one: KeptList) -> list[Stored]:
    # Named by the rule in force and by the one that is built beside it, it is there twice.
    users = {user.segment_id: user for user in await users_of(tx, one)}
    return [user for user in users.values() if user.active]


async def _require_going_on(tx: AsyncConnection, job: Job) -> None:
    """Keep a job from being ended until the end of `tx`, so that nothing comes behind what is put
    away; ConflictError if it has been.
    """
    if not await JOBS.hold(tx, job):
        message = f"Job {job.id} was ended meanwhile."
        raise ConflictError(message)


def _require_mostly_taken(taken: int, refused: int) -> None:
    """InvalidRequestError for a file of which so much is refused that it is no list."""
    if refused > max(taken, MOST_REFUSED):
        message = (
            f"{refused} rows were refused and {taken} taken: this is no list of identifiers. "
            "Look at the refused rows, and send the file again."
        )
        raise InvalidRequestError(message, code="too_many_refused")
