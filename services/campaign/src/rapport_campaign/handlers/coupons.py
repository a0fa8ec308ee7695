"""Coupons: pools and their files for operators, codes for messages."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.coupons import (
    NAME,
    FileError,
    FileFormat,
    Pool,
    Refused,
    parts_of,
    rows_of,
)
from rapport_campaign.domain.model import MessageKey
from rapport_campaign.store import coupons as store
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock, ids, logging
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.jobs.store import Job, NewJob, Step

log = logging.get(__name__)

IMPORT = "coupons"
_SHOWN = 20
"""Lines that a job tells of, of those it has refused."""


def dry(pool: str) -> str:
    """The reason of a message for which there was no code."""
    return f'coupon pool "{pool}" is empty'


async def require(tx: AsyncConnection, workspace: str, name: str, *, lock: bool = False) -> Pool:
    """A living pool, or NotFoundError; with `lock` it stays as it is until the commit."""
    found = await store.find(tx, workspace, name, lock=lock) if NAME.fullmatch(name) else None
    if found is None or found.archived_at is not None:
        raise NotFoundError(f"There is no coupon pool {name!r} in this workspace.")
    return found


async def create(tx: AsyncConnection, pool: Pool) -> None:
    """Make a pool with nothing in it; a name is taken for ever, since codes were given by it."""
    if not await store.create(tx, pool):
        message = f"There is, or was, a coupon pool {pool.name!r}: take another name."
        raise ConflictError(message, details={"name": pool.name})


async def change(tx: AsyncConnection, workspace: str, name: str, low_below: int) -> Pool:
    """Let a pool count as low at another number."""
    found = await require(tx, workspace, name, lock=True)
    changed = replace(found, low_below=low_below)
    await store.save(tx, changed)
    await _note_stock(tx, changed)
    return await require(tx, workspace, name)


async def archive(tx: AsyncConnection, workspace: str, name: str) -> None:
    """Take a pool away: none of its codes is given any more, and who has one keeps it."""
    found = await require(tx, workspace, name, lock=True)
    await store.save(tx, replace(found, archived_at=clock.now()))


async def begin_import(
    tx: AsyncConnection, workspace: str, name: str, text: str, form: FileFormat
) -> str:
    """Keep a file of codes for a job that puts them into a pool; the job's id."""
    await require(tx, workspace, name)
    try:
        parts = parts_of(text, form)
    except FileError as error:
        raise InvalidRequestError(str(error), details={"path": "body"}) from error
    job = str(ids.uuid7())
    await store.keep_file(tx, workspace, job, parts)
    spec = {"pool": name, "format": form, "parts": len(parts)}
    await JOBS.add(tx, workspace, NewJob(job, IMPORT, spec, name))
    return job


class Imports:
    """The work of the jobs that read files of codes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Put what a file has into its pool, a part at a time; what is in it already stays."""
        number = int(job.position.get("part", 0))
        report = dict(job.report) or {"added": 0, "already_there": 0, "refused": []}
        while number < job.spec["parts"]:
            async with self._engine.begin() as tx:
                step = await _read_part(tx, job, number, report)
            if step is None:
                return
            yield step
            report, number = dict(step.report), number + 1


async def _read_part(
    tx: AsyncConnection, job: Job, number: int, report: Mapping[str, Any]
) -> Step | None:
    """One part of a file; None where the pool is gone."""
    name = job.spec["pool"]
    pool = await store.find(tx, job.workspace, name, lock=True)
    content = await store.part(tx, job.workspace, job.id, number)
    if pool is None or pool.archived_at is not None or content is None:
        await store.forget_file(tx, job.workspace, job.id)
        return None
    found = list(rows_of(content, job.spec["format"], number))
    refused = [one for one in found if isinstance(one, Refused)]
    rows = {one.code: one for one in found if not isinstance(one, Refused)}
    added = await store.add(tx, job.workspace, name, job.id, list(rows.values()))
    await _note_stock(tx, pool)
    told = [f"line {one.line}: {one.reason}" for one in refused]
    again = len(found) - len(refused) - added
    if number + 1 == job.spec["parts"]:
        await store.forget_file(tx, job.workspace, job.id)
    return Step(
        {"part": number + 1},
        len(found),
        len(found) - len(refused),
        len(refused),
        {
            "added": report["added"] + added,
            "already_there": report["already_there"] + again,
            "refused": [*report["refused"], *told][:_SHOWN],
        },
    )


async def give(
    tx: AsyncConnection, wanted: Sequence[tuple[MessageKey, str]]
) -> dict[MessageKey, str]:
    """The code of each message, by the pool of its campaign: the one it has, or a new one.

    In the transaction that marks it `sending`. Who is not in the answer gets none: the pool is dry.
    Pools are locked, in one order and after all else, until the commit.
    """
    of_pools: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (workspace, send_key), its_pool in wanted:
        of_pools[workspace, its_pool].append(send_key)
    codes: dict[MessageKey, str] = {}
    for (workspace, name), send_keys in sorted(of_pools.items()):
        had = await store.given(tx, workspace, send_keys)
        codes |= {(workspace, key): one.code for key, one in had.items()}
        # As they come: of those who are claimed together the first have the last codes.
        missing = [one for one in send_keys if one not in had]
        if not missing:
            continue
        pool = await store.find(tx, workspace, name, lock=True)
        if pool is None or pool.archived_at is not None:
            continue
        fresh = await store.give(tx, workspace, name, missing)
        codes |= {(workspace, key): code for key, code in fresh.items()}
        await _note_stock(tx, pool)
    return codes


async def _note_stock(tx: AsyncConnection, pool: Pool) -> None:
    """Whether few codes are left, while the pool is locked."""
    left = await store.left(tx, pool.workspace, pool.name, pool.low_below + 1)
    is_low = left <= pool.low_below
    if is_low != (pool.low_at is not None):
        await store.note_low(tx, pool.workspace, pool.name, clock.now() if is_low else None)
        if is_low:
            log.warning("few coupons are left", pool=pool.name, left=left)
