"""Occasions are planned: by events, by entries into segments, and by pages of who is in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.events.activity import ProfileActivity
from rapport_feedback import metrics
from rapport_feedback.domain.askings import Asking, Occasion, plan_again, plan_event
from rapport_feedback.store import askings, occasions, reaching, surveys
from rapport_feedback.store.due import ASK, DUE, WAVE

PAGE = 2000
"""Members of a segment that are planned in one transaction."""


async def plan(tx: AsyncConnection, planned: Sequence[Occasion], due: DueStore = DUE) -> int:
    """Keep what is new of these, and look at their askings when the first is due; how many."""
    new = await occasions.add(tx, planned)
    first: dict[tuple[str, UUID], datetime] = {}
    for workspace, asking_id, at in new:
        if at is not None:
            place = workspace, asking_id
            first[place] = min(at, first.get(place, at))
    rows = [NewDue(place[0], ASK, str(place[1]), at) for place, at in first.items()]
    await due.schedule(tx, rows, sooner=True)
    metrics.OCCASIONS.labels("planned").inc(len(new))
    return len(new)


async def plan_events(tx: AsyncConnection, told: Sequence[ProfileActivity]) -> None:
    """What events call for; one that is only told again calls for nothing."""
    news = [
        (one, one.event)
        for one in told
        if one.event is not None
        and one.event.type == "track"
        and one.event.name
        and not one.republished
        and not one.replaced
    ]
    places = {(one.workspace, event.name or "") for one, event in news}
    wanted = await askings.on_events(tx, places)
    if not wanted:
        return
    now = clock.now()
    planned = [
        occasion
        for one, event in news
        for asking in wanted.get((one.workspace, event.name or ""), ())
        if (occasion := plan_event(asking, one.profile_id, event, now)) is not None
    ]
    await plan(tx, planned)


@dataclass(frozen=True)
class Waves:
    """Plans everybody who is in a segment: at the start, and each time it is repeated."""

    due: DueStore = DUE

    async def begin(self, tx: AsyncConnection, asking: Asking, now: datetime) -> None:
        """Plan who is in it already, if they are wanted, and the next time, if there is one."""
        told = asking.document
        rows: list[NewDue] = []
        place = asking.workspace, WAVE, str(asking.asking_id)
        if told.include_existing:
            rows.append(NewDue(*place, now, {"after": "", "wave": 0}))
        elif told.repeat_days is not None:
            at = now + timedelta(days=told.repeat_days)
            rows.append(NewDue(*place, at, {"after": "", "wave": 1}))
        await self.due.schedule(tx, rows)

    async def planned(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """A page of each; behind the last page the next wave waits for its day."""
        for row in rows:
            asking = await askings.get(tx, row.workspace, UUID(row.key), lock=True)
            if asking is None or asking.archived_at is not None:
                continue
            await self._page(tx, asking, row, now)

    async def _page(self, tx: AsyncConnection, asking: Asking, row: Due, now: datetime) -> None:
        segment, wave = asking.document.segment_id, int(row.payload["wave"])
        if segment is None:
            return
        survey = asking.workspace, asking.survey_id
        began = datetime.fromisoformat(row.payload.get("began", now.isoformat()))
        # A wave of the survey's own: its answers are told apart from those before.
        if wave and not row.payload["after"] and await surveys.is_living(tx, *survey):
            await surveys.next_wave(tx, *survey)
        page = await reaching.stays(
            tx,
            asking.workspace,
            segment,
            after=row.payload["after"],
            before=began if wave else asking.created_at,
            limit=PAGE,
        )
        planned = [
            plan_again(asking, profile_id, entry_id, wave, now) for profile_id, entry_id in page
        ]
        await plan(tx, planned, self.due)
        place = asking.workspace, WAVE, str(asking.asking_id)
        if len(page) == PAGE:
            payload = {"after": page[-1][0], "wave": wave, "began": began.isoformat()}
            await self.due.schedule(tx, [NewDue(*place, now, payload)])
        elif asking.document.repeat_days is not None:
            at = began + timedelta(days=asking.document.repeat_days)
            payload = {"after": "", "wave": wave + 1}
            await self.due.schedule(tx, [NewDue(*place, max(at, now), payload)])
