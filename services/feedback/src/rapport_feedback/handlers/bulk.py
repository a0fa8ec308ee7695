"""One change of many cases: a job, in which each case has a verdict of its own."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.errors import AppError, InvalidRequestError
from rapport_common.jobs.store import Job, JobStore, NewJob, Step
from rapport_feedback.domain.case_fields import Severity
from rapport_feedback.domain.cases import State
from rapport_feedback.handlers.assigning import Assigning
from rapport_feedback.handlers.cases import Cases, NewEntry
from rapport_feedback.store import bulk as store
from rapport_feedback.store.bulk import Item

JOBS = JobStore("feedback")
CHANGE = "change_cases"
MOST_CASES = 10_000
PAGE = 25
CHANGED, UNCHANGED, REFUSED = "changed", "unchanged", "refused"


@dataclass(frozen=True, slots=True)
class Change:
    """What shall be otherwise of each case, in this order; all of it, or nothing of a case."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None
    state: State | None = None
    note: str = ""
    reason: str = ""

    def spec(self, actor: str) -> dict[str, Any]:
        """The same as the job keeps it."""
        state = None if self.state is None else self.state.value
        told = {"owner": self.owner, "state": state, "note": self.note, "reason": self.reason}
        return {"fields": dict(self.fields), "actor": actor, **told}


def change_of(spec: Mapping[str, Any]) -> Change:
    """What a job's spec says."""
    fields = dict(spec["fields"])
    if "severity" in fields:
        fields["severity"] = Severity(fields["severity"])
    state = None if spec["state"] is None else State(spec["state"])
    # Words of it may have been taken out, because they were of somebody who is forgotten.
    return Change(fields, spec["owner"], state, spec.get("note", ""), spec.get("reason", ""))


async def ask(
    tx: AsyncConnection,
    workspace: str,
    job_id: str,
    cases: Sequence[tuple[UUID, int | None]],
    change: tuple[Change, str],
) -> None:
    """Have these cases (id, version that was seen) changed by a job; each once. `change`: what, and
    by whom.

    InvalidRequestError for a change of nothing, of none, or of too many.
    """
    wanted, actor = change
    if not (wanted.fields or wanted.owner is not None or wanted.state or wanted.note):
        message = "Nothing is to be changed: give fields, owner, state or note."
        raise InvalidRequestError(message)
    chosen = dict(cases)
    if not chosen or len(chosen) > MOST_CASES:
        message = f"{len(chosen)} cases are to be changed: 1 to {MOST_CASES:,} are possible."
        raise InvalidRequestError(message, details={"cases": len(chosen), "most": MOST_CASES})
    await JOBS.add(tx, workspace, NewJob(job_id, CHANGE, wanted.spec(actor)))
    await store.add(tx, workspace, job_id, list(chosen.items()))


@dataclass(frozen=True)
class Bulk:
    """The work of the job: a page of cases is one transaction, with the verdicts on them.

    So who takes it over after a crash finds what was changed judged, and changes nothing twice.
    """

    engine: AsyncEngine
    cases: Cases
    assigning: Assigning

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Go through the cases in the order in which they were asked for."""
        after = int(job.position.get("after", 0))
        while True:
            async with self.engine.begin() as tx:
                page = await store.page(tx, job.workspace, job.id, after=after, limit=PAGE)
                new = [one for one in page if not one.verdict]
                judged = [await self._judged(tx, job, one) for one in new]
                if judged:
                    await store.judge(tx, job.workspace, job.id, judged)
            if not page:
                return
            after = page[-1].place
            refused = sum(one.verdict == REFUSED for one in judged)
            yield Step(
                position={"after": after},
                done=len(page),
                accepted=len(judged) - refused,
                rejected=refused,
                report={},
            )

    async def _judged(self, tx: AsyncConnection, job: Job, item: Item) -> Item:
        """A case with what has become of it; one that is refused is as it was."""
        change = change_of(job.spec)
        try:
            async with tx.begin_nested():
                is_other = await self._change(tx, job, item, change)
        except AppError as error:
            return item._replace(verdict=REFUSED, message=error.message[:500])
        return item._replace(verdict=CHANGED if is_other else UNCHANGED)

    async def _change(self, tx: AsyncConnection, job: Job, item: Item, change: Change) -> bool:
        now, actor, workspace = clock.now(), str(job.spec["actor"]), job.workspace
        before = await self.cases.locked(tx, workspace, item.case_id, item.version)
        after, place = before, (workspace, item.case_id)
        if change.fields:
            after = await self.cases.change(
                tx, *place, change.fields, actor=actor, now=now, reason=change.reason
            )
        if change.owner is not None:
            after = await self.assigning.assign(
                tx, *place, change.owner, actor=actor, now=now, reason=change.reason
            )
        if change.note:
            after = await self.cases.note(
                tx, *place, NewEntry("note", change.note), actor=actor, now=now
            )
        if change.state is not None:
            after = await self.cases.move(
                tx, *place, change.state, actor=actor, now=now, note=change.reason
            )
        return after.case.version != before.case.version
