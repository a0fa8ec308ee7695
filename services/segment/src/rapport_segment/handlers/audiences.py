"""Files for advertising platforms: defined, made by a job when it is time, and fetched.

A file is of one snapshot. It is kept here in parts, with who is in each: when somebody is
forgotten, the files that they are in go, and the next ones are made without them.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.auth import Operator
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.errors import (
    AppError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from rapport_common.exporting.answers import Places
from rapport_common.ids import uuid7
from rapport_common.jobs.store import LIVING, Job, NewJob, Step
from rapport_segment.domain import sections
from rapport_segment.domain.audiences import (
    REASONS,
    Platform,
    Reached,
    UnfitPurposeError,
    heading,
    line,
    reached,
    require_fit,
)
from rapport_segment.domain.export_columns import Member
from rapport_segment.handlers.segments import require as require_segment
from rapport_segment.store import audiences, members
from rapport_segment.store.audiences import Audience, File
from rapport_segment.store.due import AUDIENCE, DUE
from rapport_segment.store.jobs import AUDIENCE_FILE, JOBS

log = logging.get(__name__)

AT_ONCE = 2
"""Files that one process gives away at a time."""

PAGE = 500
PART_BYTES = 256 * 1024
SILENCE_SECONDS = 15.0
MAKING_SECONDS = 60.0
"""For so long a page, and the step of the job that follows it, may take."""

_TAKEN = "The file was taken away while it was made: it is made anew."
_READ = 1 << sections.CONTACT_POINTS | 1 << sections.CONSENT | 1 << sections.RESTRAINTS


@dataclass(frozen=True, slots=True)
class Wanted:
    """An audience to be; `every_hours` None: a file is made when it is asked for."""

    name: str
    segment_id: UUID
    platform: Platform
    purpose: str
    every_hours: int | None


async def create(tx: AsyncConnection, caller: Operator, wanted: Wanted) -> Audience:
    """Define one; its first file is made at once if it is to be made by itself."""
    try:
        require_fit(wanted.purpose)
    except UnfitPurposeError as error:
        message = f"purpose: {error}."
        raise InvalidRequestError(message, details={"path": "body.purpose"}) from error
    await require_segment(tx, caller.workspace, wanted.segment_id)
    now = clock.now()
    made = Audience(
        workspace=caller.workspace,
        audience_id=uuid7(),
        name=wanted.name,
        segment_id=wanted.segment_id,
        platform=wanted.platform,
        purpose=wanted.purpose,
        every_hours=wanted.every_hours,
        job=None,
        created_at=now,
        created_by=caller.subject,
    )
    if not await audiences.insert(tx, made):
        known = await audiences.named(tx, caller.workspace, wanted.name)
        message = f"There is an audience called {wanted.name!r} already. Choose another name."
        raise ConflictError(message, details={"id": str(known)})
    if wanted.every_hours is not None:
        await DUE.schedule(tx, [NewDue(made.workspace, AUDIENCE, str(made.audience_id), now)])
    return made


async def require(
    tx: AsyncConnection, workspace: str, audience_id: UUID, *, lock: bool = False
) -> Audience:
    """The audience, or NotFoundError."""
    found = await audiences.find(tx, workspace, audience_id, lock=lock)
    if found is None:
        message = f"There is no audience {audience_id}. GET /v1/audiences lists them."
        raise NotFoundError(message)
    return found


async def build(tx: AsyncConnection, workspace: str, audience_id: UUID) -> Audience:
    """Have a file made now; one that is being made is made to its end."""
    one = await require(tx, workspace, audience_id, lock=True)
    await _start(tx, one)
    return await require(tx, workspace, audience_id)


async def archive(tx: AsyncConnection, workspace: str, audience_id: UUID) -> None:
    """End one: its files go, and none is made any more."""
    one = await require(tx, workspace, audience_id, lock=True)
    if one.job is not None:
        await JOBS.cancel(tx, workspace, one.job)
    await DUE.cancel(tx, [(workspace, AUDIENCE, str(audience_id))])
    await audiences.remove(tx, workspace, audience_id)


async def _start(tx: AsyncConnection, one: Audience) -> None:
    running = None if one.job is None else await JOBS.find(tx, one.workspace, one.job)
    if running is not None and running.state in LIVING:
        return
    job = str(uuid7())
    spec = {"audience_id": str(one.audience_id)}
    await JOBS.add(tx, one.workspace, NewJob(job, AUDIENCE_FILE, spec, str(one.segment_id)))
    await audiences.set_job(tx, one.workspace, one.audience_id, job)


class Scheduled:
    """Has files made when it is time."""

    def __init__(self, due: DueStore = DUE) -> None:
        self._due = due

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {AUDIENCE: self.begin}

    async def begin(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Begin a job for each, and note when the next one is due: times missed are not made up."""
        for row in rows:
            one = await audiences.find(tx, row.workspace, UUID(row.key))
            if one is None or one.every_hours is None:
                continue
            await _start(tx, one)
            every = timedelta(hours=one.every_hours)
            missed = max(0, (now - row.at) // every)
            ahead = NewDue(row.workspace, AUDIENCE, row.key, row.at + every * (missed + 1))
            await self._due.schedule(tx, [ahead])


class Making:
    """The work of the jobs of kind `audience_file`."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime] = clock.now) -> None:
        self._engine = engine
        self._now = now

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Make a file. What a crash has left is begun anew: a file is of one snapshot."""
        file_id, now = uuid7(), self._now()
        async with self._engine.begin() as tx:
            one = await audiences.find(tx, job.workspace, UUID(job.spec["audience_id"]))
            if one is None:
                message = "There is no such audience any more."
                raise AppError(message)
            await audiences.begin_file(tx, one.workspace, one.audience_id, file_id, now)
        making = _Making(one, file_id, now)
        async with aclosing(self._pages(one)) as pages:
            former = job.done
            async for page in pages:
                making.add(page)
                await self._write(making, PART_BYTES)
                done, former = len(page) - former, 0
                yield Step({"file_id": str(file_id)}, done, 0, 0, making.report(), gets_on=False)
        await self._write(making, 1)
        await self._end(making)
        yield Step({"file_id": str(file_id)}, 0, making.rows, 0, making.report())

    async def _pages(self, one: Audience) -> AsyncGenerator[list[Member]]:
        async with self._engine.begin() as tx:
            await members.hold_snapshot(tx, silence=MAKING_SECONDS)
            after: UUID | None = None
            while page := await members.page(
                tx, one.workspace, one.segment_id, after=after, limit=PAGE, wanted=_READ
            ):
                after = page[-1].entry.profile_id
                yield page

    async def _write(self, making: "_Making", least: int) -> None:
        if len(making.content) < least:
            return
        async with self._engine.begin() as tx:
            is_there = await audiences.add_part(
                tx,
                making.one.workspace,
                making.file_id,
                making.parts,
                content=bytes(making.content),
                people=making.people,
            )
        if not is_there:
            raise UnavailableError(_TAKEN)
        making.written()

    async def _end(self, making: "_Making") -> None:
        one = making.one
        async with self._engine.begin() as tx:
            if await audiences.forgotten(tx, one.workspace, making.file_id):
                message = "Somebody was forgotten while the file was made: it is made anew."
                raise UnavailableError(message)
            if not await audiences.end_file(tx, one.workspace, one.audience_id, making.file()):
                raise UnavailableError(_TAKEN)
        log.info(
            "audience file made",
            workspace=one.workspace,
            audience=str(one.audience_id),
            rows=making.rows,
            **making.left_out,
        )


async def put_away(tx: AsyncConnection, job: Job) -> None:
    """A file does not become whole, see `jobs.ending.PutAway`: what there is of it goes."""
    await audiences.drop_begun(tx, job.workspace, UUID(job.spec["audience_id"]))


class _Making:
    """A file on its way."""

    def __init__(self, one: Audience, file_id: UUID, now: datetime) -> None:
        self.one, self.file_id = one, file_id
        self._now, self._hash = now, hashlib.sha256()
        self.content, self.people = bytearray(heading(one.platform)), list[UUID]()
        self.left_out: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self.rows = self.parts = self._bytes = 0

    def add(self, page: Sequence[Member]) -> None:
        """Hold these people against what they permit."""
        one = self.one
        for member in page:
            found = reached(member.facts, one.platform, one.purpose, self._now)
            if isinstance(found, Reached):
                self.content += line(one.platform, found)
                self.people.append(member.entry.profile_id)
                self.rows += 1
            else:
                self.left_out[found] += 1

    def written(self) -> None:
        """What was there is a part now."""
        self._hash.update(self.content)
        self._bytes += len(self.content)
        self.content.clear()
        self.people.clear()
        self.parts += 1

    def report(self) -> dict[str, object]:
        """What the job tells."""
        return {"rows": self.rows, "left_out": dict(self.left_out)}

    def file(self) -> File:
        """What is known of the whole."""
        left = dict(self.left_out)
        return File(self.file_id, self._now, self.rows, left, self._bytes, self._hash.hexdigest())


async def newest(tx: AsyncConnection, workspace: str, audience_id: UUID) -> tuple[Audience, File]:
    """The newest file that is whole, or NotFoundError."""
    one = await require(tx, workspace, audience_id)
    files = await audiences.files(tx, workspace, audience_id)
    if not files:
        message = f"There is no file of audience {audience_id} yet. POST …/build makes one."
        raise NotFoundError(message)
    return one, files[0]


class Fetching:
    """Gives files away, a few at a time: each holds a connection for as long as it is taken."""

    def __init__(self, engine: AsyncEngine, at_once: int = AT_ONCE) -> None:
        self._engine = engine
        self.places = Places(at_once)

    async def parts(self, workspace: str, file_id: UUID) -> AsyncGenerator[bytes]:
        """A file, part by part, as it is when it is begun to be fetched."""
        with self.places.one():
            async with self._engine.begin() as tx:
                await members.hold_snapshot(tx, silence=SILENCE_SECONDS * 2)
                async for part in audiences.parts(tx, workspace, file_id):
                    yield part
