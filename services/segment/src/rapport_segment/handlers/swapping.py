"""A rule that was built beside the one in force takes its place.

That is one short transaction, in which nobody is judged: from then on batches judge by the new
rule. Who fits one of the two and not the other is known by then, and gone through page by page. Who
fits both is not touched: their stay goes on, with its entry id.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.jobs.store import Job
from rapport_segment.domain.membership import Moment, judge, settle
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.handlers.correcting import Law, correct
from rapport_segment.handlers.publish import tell
from rapport_segment.handlers.rulebooks import compiled
from rapport_segment.store import candidates, definitions


async def put_in_force(tx: AsyncConnection, job: Job, now: datetime) -> int | None:
    """Make what `job` has built the rule of its segment; its version, None if it is overtaken.

    Done again, after a crash, it changes nothing.
    """
    segment_id = UUID(job.spec["segment_id"])
    await definitions.seize(tx, job.workspace)
    candidate = await candidates.find(tx, job.workspace, segment_id)
    old = await definitions.find(tx, job.workspace, segment_id)
    if candidate is None or old is None or candidate.job != job.id:
        return None
    if candidate.swapped_at is not None:
        return old.version
    new = replace(
        old,
        version=old.version + 1,
        rule=candidate.rule,
        updated_at=now,
        built_version=0,
        job=job.id,
    )
    await definitions.write(tx, new, candidate.created_by)
    await candidates.write(tx, replace(candidate, swapped_at=now))
    await tell(tx, [new])
    return new.version


async def swapped(
    tx: AsyncConnection,
    job: Job,
    rules: Rulebook,
    now: datetime,
    *,
    after: UUID | None,
    limit: int,
) -> tuple[UUID | None, int, bool]:
    """Let the next of those enter and leave of whom the two rules say different things: the last of
    them (None behind the end), how many, and whether another version has overtaken this one.
    """
    workspace, segment_id = job.workspace, UUID(job.spec["segment_id"])
    one = await definitions.find(tx, workspace, segment_id)
    if one is None or one.job != job.id:
        return None, 0, True
    ids = await candidates.differing(tx, workspace, segment_id, after=after, limit=limit)
    definition, moment = compiled(one), Moment(now, "definition")
    await correct(
        tx,
        workspace,
        ids,
        Law(rules, [definition], now),
        lambda who: settle(*judge(who, [definition], moment), rules, moment),
    )
    return (ids[-1] if ids else None), len(ids), False


async def cleared(tx: AsyncConnection, job: Job, limit: int) -> bool:
    """Take out some of those who fitted a rule that is built beside no more; whether there were
    any. Of one that goes on nothing is touched, and none begins meanwhile.
    """
    segment_id = UUID(job.spec["segment_id"])
    await definitions.share(tx, [job.workspace])
    candidate = await candidates.find(tx, job.workspace, segment_id)
    if candidate is not None and candidate.swapped_at is None:
        return False
    return bool(await candidates.clear(tx, job.workspace, segment_id, limit=limit))


async def end_candidate(tx: AsyncConnection, job: Job) -> None:
    """Forget a candidate that has been put in force."""
    segment_id = UUID(job.spec["segment_id"])
    await definitions.seize(tx, job.workspace)
    candidate = await candidates.find(tx, job.workspace, segment_id)
    if candidate is not None and candidate.swapped_at is not None:
        await candidates.drop(tx, job.workspace, segment_id)
