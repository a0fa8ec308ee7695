"""Runs of broadcasts: beginning, holding and ending them; by operators, and by themselves."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.domain.broadcasts import (
    CANCELLED,
    NO_SEGMENT,
    UNAPPROVED,
    UNDER_WAY,
    Broadcast,
    Run,
    RunState,
    missed,
)
from rapport_campaign.domain.model import CampaignState
from rapport_campaign.domain.schedules import Recurring, following
from rapport_campaign.handlers.broadcasts import (
    archived_of,
    needs_approval,
    note,
    place_of,
    require,
    said_by,
    saying,
)
from rapport_campaign.handlers.ledger import count
from rapport_campaign.handlers.reaching import copy_of
from rapport_campaign.store import broadcasts, campaigns, locks, paces, plan, runs
from rapport_campaign.store.jobs import BROADCAST, JOBS
from rapport_common import clock, ids, logging
from rapport_common.db import is_retriable
from rapport_common.errors import ConflictError
from rapport_common.jobs.store import NewJob

log = logging.get(__name__)

INTERVAL_SECONDS = 0.5
ITSELF = "rapport"
"""Who has done what no operator did."""

NOT_BEGUN = "something broke on our side when it should have begun; the log of campaign says what"
AT_ONCE = 2000
_NOT_AGAIN = ("awaiting_approval", "paused", "cancelled")
_CAMPAIGN: dict[RunState, CampaignState] = {"paused": "paused"}


async def begin(
    tx: AsyncConnection, broadcast: Broadcast, now: datetime, restored_at: datetime | None = None
) -> Broadcast:
    """Begin the run that is due of a broadcast (locked), or note why it is not begun.

    Of several occurrences that were missed one is begun: the earliest, if it is not too late.
    """
    at = broadcast.next_at or now
    behind = replace(broadcast, next_at=following(broadcast.schedule, max(at, now)))
    why = missed(broadcast, at, now, restored_at)
    if why is None:
        held = await _held(tx, broadcast, at, now)
        return held or await _run(tx, behind, at, now)
    run = replace(_new(behind, at, now), state="cancelled", reason=why, ended_at=now)
    await runs.create(tx, run)
    return await _followed(tx, replace(behind, runs=run.number), run, "passed over")


async def _held(
    tx: AsyncConnection, broadcast: Broadcast, at: datetime, now: datetime
) -> Broadcast | None:
    """The broadcast, if something has come up since it was scheduled that it is not begun for."""
    if await archived_of(tx, broadcast):
        held = replace(broadcast, state="failed", next_at=None, reason=NO_SEGMENT)
    elif await needs_approval(tx, broadcast, at, now):
        # Of what repeats it is this occurrence that waits for a yes, and not the next.
        waits = at if isinstance(broadcast.schedule, Recurring) else None
        held = replace(broadcast, state="awaiting_approval", next_at=waits, reason=UNAPPROVED)
    else:
        return None
    await broadcasts.save(tx, held)
    action = "held" if held.state == "awaiting_approval" else "failed"
    await note(tx, held, ITSELF, action, reason=held.reason)
    return held


async def again(tx: AsyncConnection, workspace: str, broadcast_id: str, by: str) -> Run:
    """Begin a run for those to whom the newest run could not send; ConflictError for nobody.

    It says what that run said, whatever was changed since.
    """
    found = await require(tx, workspace, broadcast_id, lock=True)
    if found.state in _NOT_AGAIN:
        message = f"Broadcast {broadcast_id} is {found.state}: nothing is sent by it."
        raise ConflictError(message, details={"state": found.state})
    newest = await runs.listed(tx, workspace, broadcast_id, after=None, limit=1)
    if not newest or newest[0].ended_at is None:
        message = "Its newest run has not ended: those that fail are known then."
        raise ConflictError(message, details={"state": found.state})
    counts = (await runs.counts(tx, workspace, [newest[0].run_id]))[newest[0].run_id]
    if not counts.get("failed"):
        message = "None of the messages of its newest run has failed."
        raise ConflictError(message, details={"run_id": newest[0].run_id})
    begun = await _run(tx, found, clock.now(), clock.now(), again=newest[0].run_id, by=by)
    [run] = await runs.listed(tx, workspace, begun.broadcast_id, after=None, limit=1)
    return run


async def pause(tx: AsyncConnection, workspace: str, broadcast_id: str, by: str) -> Broadcast:
    """Hold all its runs; when this has committed no further message is marked `sending`."""
    found = await require(tx, workspace, broadcast_id, lock=True)
    if found.state == "paused":
        return found
    if found.state not in {*UNDER_WAY, "scheduled"}:
        message = f"Broadcast {broadcast_id} is {found.state}: there is nothing to be held."
        raise ConflictError(message, details={"state": found.state})
    for run in await runs.under_way(tx, workspace, broadcast_id):
        await _move(tx, replace(run, state="paused"))
    paused = replace(found, state="paused")
    await broadcasts.save(tx, paused)
    await note(tx, paused, by, "paused")
    return paused


async def resume(tx: AsyncConnection, workspace: str, broadcast_id: str, by: str) -> Broadcast:
    """Go on; what was to be begun meanwhile is begun if it is not too late."""
    found = await require(tx, workspace, broadcast_id, lock=True)
    if found.state in {"planning", "sending", "scheduled"}:
        return found
    if found.state != "paused":
        message = f"Broadcast {broadcast_id} is {found.state}: only what is held can go on."
        raise ConflictError(message, details={"state": found.state})
    resumed = replace(found, state="scheduled")
    for run in await runs.under_way(tx, workspace, broadcast_id):
        going = replace(run, state="sending" if run.planned else "planning")
        await _move(tx, going)
        resumed = _mirrored(resumed, going)
    await broadcasts.save(tx, resumed)
    await note(tx, resumed, by, "resumed")
    return resumed


async def cancel(tx: AsyncConnection, workspace: str, broadcast_id: str, by: str) -> Broadcast:
    """End it for good. What it has planned is not sent, and is taken back page by page."""
    found = await require(tx, workspace, broadcast_id, lock=True)
    if found.state == "cancelled":
        return found
    if found.state in {"done", "failed"}:
        message = f"Broadcast {broadcast_id} is {found.state} already."
        raise ConflictError(message, details={"state": found.state})
    for run in await runs.under_way(tx, workspace, broadcast_id):
        await _end(tx, run, "cancelled", CANCELLED)
    ended = replace(found, state="cancelled", next_at=None, reason=None)
    await broadcasts.save(tx, ended)
    await note(tx, ended, by, "cancelled")
    return ended


async def planned(tx: AsyncConnection, workspace: str, run_id: str) -> None:
    """A run has planned all of its audience."""
    known = await runs.find(tx, workspace, run_id)
    if known is None:
        return
    broadcast = await require(tx, workspace, known.broadcast_id, lock=True)
    run = await runs.find(tx, workspace, run_id, lock=True)
    if run is None or run.planned or run.state not in UNDER_WAY:
        return
    state: RunState = "paused" if run.state == "paused" else "sending"
    done = replace(run, planned=True, state=state)
    await runs.save(tx, done)
    await broadcasts.save(tx, _mirrored(broadcast, done))


class Conductor:
    """The worker that begins what is due and ends what is over; any number of processes do."""

    name = "broadcasts"

    def __init__(
        self,
        engine: AsyncEngine,
        restored_at: datetime | None = None,
        *,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._engine = engine
        self._restored_at = restored_at
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Look, wait, again, until `stop`."""
        while not stop.is_set():
            try:
                await self.turn()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("broadcasts not looked at, trying again", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await stop.wait()

    async def turn(self) -> None:
        """Do all there is to do by now."""
        while await self._begin_one():
            pass
        async with self._engine.begin() as tx:
            over, broken = await runs.over(tx, self._now()), await runs.broken(tx)
        for workspace, run_id in over:
            await self._end(workspace, run_id, "done", None)
        for workspace, run_id, why in broken:
            log.error("broadcast not planned to its end", run=run_id, why=why)
            await self._end(workspace, run_id, "failed", why)
        while await self._take_back():
            pass
        await self._tell()

    async def _begin_one(self) -> bool:
        due: Broadcast | None = None
        try:
            async with self._engine.begin() as tx:
                due = await broadcasts.take_due(tx, self._now())
                if due is None:
                    return False
                await begin(tx, due, self._now(), self._restored_at)
        except Exception as error:
            if due is None or is_retriable(error):
                raise
            # One that can't be begun is not to keep the others, of all workspaces, from it.
            log.exception("broadcast not begun", broadcast=due.broadcast_id)
            await self._give_up(due)
        return True

    async def _give_up(self, broadcast: Broadcast) -> None:
        async with self._engine.begin() as tx:
            found = await require(tx, broadcast.workspace, broadcast.broadcast_id, lock=True)
            if found.state == "scheduled":
                ended = replace(found, state="failed", next_at=None, reason=NOT_BEGUN)
                await broadcasts.save(tx, ended)
                await note(tx, ended, ITSELF, "failed", reason=NOT_BEGUN)

    async def _end(self, workspace: str, run_id: str, state: RunState, why: str | None) -> None:
        async with self._engine.begin() as tx:
            known = await runs.find(tx, workspace, run_id)
            if known is None:
                return
            broadcast = await require(tx, workspace, known.broadcast_id, lock=True)
            run = await runs.find(tx, workspace, run_id, lock=True)
            is_as_seen = run is not None and (run.state == "sending" or state == "failed")
            if run is None or run.state not in UNDER_WAY or not is_as_seen:
                return
            ended = await _end(tx, run, state, why)
            await _followed(tx, broadcast, ended, state)

    async def _take_back(self) -> bool:
        """A page of what runs that are cancelled have planned."""
        async with self._engine.begin() as tx:
            gone = await plan.withdraw_late(tx, CANCELLED, AT_ONCE, broadcasts=True)
            await count(tx, gone)
        return bool(gone)

    async def _tell(self) -> None:
        async with self._engine.begin() as tx:
            for state, number in (await runs.by_state(tx)).items():
                metrics.BROADCAST_RUNS.labels(state).set(number)
            now = self._now()
            oldest = await broadcasts.oldest_due(tx, now)
        late = 0.0 if oldest is None else (now - oldest).total_seconds()
        metrics.BROADCAST_LATE.set(late)


async def _run(
    tx: AsyncConnection,
    broadcast: Broadcast,
    at: datetime,
    now: datetime,
    *,
    again: str | None = None,
    by: str = ITSELF,
) -> Broadcast:
    only = broadcast.audience.only
    if only is not None:
        # Who enters is planned for by the record of it, or by the job: no one by neither.
        await locks.own_segment(tx, broadcast.workspace, only)
    job = str(ids.uuid7())
    run = replace(_new(broadcast, at, now), again=again, job=job)
    said = await (saying(tx, broadcast) if again is None else said_by(tx, broadcast, again))
    copy = copy_of(said, broadcast, run.run_id, at)
    if again is not None:
        copy = replace(copy, segment_id="", joins_until=None)
    await campaigns.create(tx, copy)
    await runs.create(tx, run)
    if broadcast.throttle is not None:
        await paces.add(tx, (run.workspace, run.run_id), broadcast.throttle.interval)
    new = NewJob(job, BROADCAST, {"run_id": run.run_id}, broadcast.broadcast_id)
    await JOBS.add(tx, broadcast.workspace, new)
    return await _followed(tx, replace(broadcast, runs=run.number), run, "begun", by=by)


def _new(broadcast: Broadcast, at: datetime, now: datetime) -> Run:
    number = broadcast.runs + 1
    place = (broadcast.workspace, str(uuid.uuid4()), broadcast.broadcast_id)
    return Run(*place, number=number, at=at, began_at=now, state="planning")


async def _followed(
    tx: AsyncConnection, broadcast: Broadcast, run: Run, action: str, by: str = ITSELF
) -> Broadcast:
    """The broadcast after something that its run did, written and noted.

    It is not over before all of its runs are: a slow one may outlast the next.
    """
    others = [] if run.ended_at is None else await runs.under_way(tx, *place_of(broadcast))
    found = _mirrored(broadcast, others[-1] if others else run)
    await broadcasts.save(tx, found)
    more = {} if run.reason is None else {"reason": run.reason}
    await note(tx, found, by, action, run_id=run.run_id, **more)
    return found


def _mirrored(broadcast: Broadcast, run: Run) -> Broadcast:
    """What repeats waits for its next occurrence, or a yes to it; all else is as its run is."""
    waits = broadcast.next_at is not None and broadcast.state in {"scheduled", "paused"}
    if waits or broadcast.state == "awaiting_approval":
        return broadcast
    return replace(broadcast, state=run.state, reason=run.reason)


async def _move(tx: AsyncConnection, run: Run) -> None:
    """Write a run's state, and that of the campaign that it sends."""
    await runs.save(tx, run)
    campaign = await campaigns.find(tx, run.workspace, run.run_id, lock=True)
    if campaign is not None:
        state = _CAMPAIGN.get(run.state, "running")
        await campaigns.save(tx, replace(campaign, state=state))


async def _end(tx: AsyncConnection, run: Run, state: RunState, why: str | None) -> Run:
    now = clock.now()
    ended = replace(run, state=state, reason=why, ended_at=now)
    await runs.save(tx, ended)
    campaign = await campaigns.find(tx, run.workspace, run.run_id, lock=True)
    if campaign is not None:
        await campaigns.save(tx, replace(campaign, state="archived", archived_at=now))
    await paces.remove(tx, (run.workspace, run.run_id))
    if run.job is not None and not run.planned:
        await JOBS.cancel(tx, run.workspace, run.job)
    return ended
