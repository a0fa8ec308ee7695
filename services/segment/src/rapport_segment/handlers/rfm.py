"""RFM: what it is worked out of, working it out on demand and at a time, and the tiers as segments.

Scores change in one transaction, which nobody sees half of. Those who were judged by the former
ones are found by builds of the segments that ask for scores, as after a change of a rule.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.errors import NotFoundError
from rapport_common.ids import uuid7
from rapport_common.jobs.store import Job, NewJob, Step
from rapport_common.pace import Pace
from rapport_segment.domain.rfm import TIER, TIERS, told
from rapport_segment.domain.rfm_rules import RfmRules, check
from rapport_segment.domain.subjects import Score
from rapport_segment.domain.tree import leaves
from rapport_segment.handlers import adopting, segments
from rapport_segment.handlers.adopting import Adopted
from rapport_segment.handlers.publish import tell_scores
from rapport_segment.handlers.rulebooks import understood
from rapport_segment.store import definitions, scores, traits
from rapport_segment.store.definitions import Stored
from rapport_segment.store.due import DUE, RFM
from rapport_segment.store.jobs import JOBS, SCORE
from rapport_segment.store.scores import KeptRules

PAGE = 500
RATE = 2_000
"""Records of scores per second, at most: entries and exits wait behind them."""

KEY = "rules"
"""A workspace has one set of rules."""


async def put(tx: AsyncConnection, caller: Operator, rules: RfmRules) -> KeptRules:
    """Keep what RFM is worked out of, and work it out; RuleError for values that there are not."""
    check(rules, await traits.types(tx, caller.workspace))
    await scores.write_rules(tx, caller.workspace, rules, caller.subject, clock.now())
    await run(tx, caller.workspace)
    if rules.every_hours is None:
        await DUE.cancel(tx, [(caller.workspace, RFM, KEY)])
    else:
        await DUE.schedule(tx, [_next(caller.workspace, rules.every_hours, clock.now())])
    return await require(tx, caller.workspace)


async def require(tx: AsyncConnection, workspace: str) -> KeptRules:
    """What RFM is worked out of, or NotFoundError."""
    kept = await scores.rules_of(tx, workspace)
    if kept is None:
        raise NotFoundError("RFM is not set up here. PUT /v1/rfm says what it is worked out of.")
    return kept


async def run(tx: AsyncConnection, workspace: str) -> str:
    """Work RFM out; the id of the job. One that goes on is overtaken."""
    kept = await require(tx, workspace)
    if kept.job is not None:
        await JOBS.cancel(tx, workspace, kept.job)
    job = str(uuid7())
    await JOBS.add(tx, workspace, NewJob(job, SCORE, {}, subject="rfm"))
    await scores.set_job(tx, workspace, job)
    return job


async def adopt(tx: AsyncConnection, caller: Operator) -> Adopted:
    """Make a segment of each tier that has none of its name yet."""
    await require(tx, caller.workspace)
    rules = {
        f"RFM: {tier.replace('_', ' ')}": {"score": TIER, "op": "eq", "value": tier}
        for tier in TIERS
    }
    return await adopting.adopt(tx, caller, rules)


def _next(workspace: str, hours: int, now: datetime) -> NewDue:
    return NewDue(workspace, RFM, KEY, now + timedelta(hours=hours))


class Scoring:
    """Works RFM out, by jobs and when it is time."""

    def __init__(
        self,
        engine: AsyncEngine,
        now: Callable[[], datetime] = clock.now,
        due: DueStore = DUE,
        pace: Callable[[float], Pace] = Pace,
    ) -> None:
        self._engine = engine
        self._now = now
        self._due = due
        self._pace = pace

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {RFM: self.again}

    async def again(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Begin a job in each workspace whose time has come."""
        for one in rows:
            kept = await scores.rules_of(tx, one.workspace)
            if kept is not None and kept.rules.every_hours is not None:
                await run(tx, one.workspace)
                ahead = _next(one.workspace, kept.rules.every_hours, now)
                await self._due.schedule(tx, [ahead])

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work all scores out, and tell them, see `jobs.worker.Work`: again it changes nothing."""
        report: Mapping[str, Any] = job.report
        if not job.position:
            customers, report = await self._scored(job)
            yield Step({"scored": True}, customers, customers, 0, report, customers)
        pace = self._pace(PAGE / RATE)
        while await self._told(job, pace):
            yield Step({"scored": True}, 0, 0, 0, report)

    async def _scored(self, job: Job) -> tuple[int, Mapping[str, Any]]:
        """How many customers there are, and what is reported of them."""
        async with self._engine.begin() as tx:
            kept = await require(tx, job.workspace)
            customers, changed = await scores.score(tx, job.workspace, kept.rules, self._now())
            report = {"changed": changed, "tiers": await scores.tiers(tx, job.workspace)}
            if changed:
                # Whoever has judged by the scores of before is done when this is granted.
                await definitions.seize(tx, job.workspace)
                for one in await _asking(tx, job.workspace):
                    await segments.begin_anew(tx, one)
        return customers, report

    async def _told(self, job: Job, pace: Pace) -> int:
        """Tell others of some scores that have changed, so many at a time that what waits behind
        them is soon told, too; how many. What a crash or a cancelled job leaves is told by the
        next run.
        """
        await pace.wait()
        pace.start()
        async with self._engine.begin() as tx:
            some = await scores.untold(tx, job.workspace, PAGE)
            await tell_scores(tx, [told(job.workspace, *one) for one in some])
        return len(some)


async def _asking(tx: AsyncConnection, workspace: str) -> list[Stored]:
    """The segments in force whose rules ask for scores."""
    return [
        one
        for one in await definitions.resting(tx, workspace, on="score")
        if one.active
        and (rule := understood(one)) is not None
        and any(isinstance(leaf.subject, Score) for leaf in leaves(rule))
    ]
