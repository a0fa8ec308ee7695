"""Why somebody got a message or not."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.broadcasts import UNDER_WAY, Run
from rapport_campaign.domain.explaining import Told, sentence
from rapport_campaign.domain.facts import Facts
from rapport_campaign.domain.lanes import is_parked
from rapport_campaign.domain.model import Campaign
from rapport_campaign.handlers.operate import require
from rapport_campaign.store import explaining as store
from rapport_campaign.store import people, runs, withheld
from rapport_campaign.store.explaining import Row
from rapport_common import clock
from rapport_common.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Answer:
    """The sentence, and what it rests on: the message if there is one."""

    sentence: str
    row: Row | None = None
    facts: Facts | None = None


async def of_message(tx: AsyncConnection, workspace: str, send_key: str) -> Answer:
    """Why a message is where it is; NotFoundError when there is none."""
    row = await store.message(tx, workspace, send_key)
    if row is None:
        raise NotFoundError(f"There is no message {send_key[:80]!r} in workspace {workspace}.")
    return await _answer(tx, workspace, row)


async def of_person(
    tx: AsyncConnection, workspace: str, profile_id: str, campaign_id: str
) -> Answer:
    """Why somebody got a campaign, or not; NotFoundError when nobody has the id."""
    campaign = await require(tx, workspace, campaign_id)
    key = (workspace, profile_id)
    now = (await people.resolve(tx, [key]))[key]
    person = (await people.load(tx, [(workspace, now)])).get((workspace, now))
    if person is None:
        raise NotFoundError(f"There is no profile {profile_id} in workspace {workspace}.")
    row = await store.newest(tx, workspace, now, campaign.campaign_id)
    if row is not None:
        return await _answer(tx, workspace, row)
    return Answer(await _unplanned(tx, campaign, now))


async def _answer(tx: AsyncConnection, workspace: str, row: Row) -> Answer:
    kept = await withheld.find(tx, (workspace, row.send_key))
    # What was kept of an earlier look says nothing of what became of it since.
    facts = kept[1] if kept is not None and kept[0] == row.reason else None
    told = Told(
        state=row.state,
        reason=row.reason,
        facts=facts,
        attempt=row.attempt,
        planned_at=row.planned_at,
        # What waits for a pace is due when nobody lives any more.
        due_at=None if is_parked(row.due_at, clock.now()) else row.due_at,
        sent_at=row.sent_at,
    )
    return Answer(sentence(told), row, facts)


async def _unplanned(tx: AsyncConnection, campaign: Campaign, profile_id: str) -> str:
    """Why a campaign has planned nothing for somebody."""
    if campaign.broadcast_id is not None:
        return _not_meant(await runs.find(tx, campaign.workspace, campaign.campaign_id))
    if campaign.started_at is None:
        return "Nothing was planned for them: the campaign has not been started."
    stay = await store.stay(tx, campaign.workspace, campaign.segment_id, profile_id)
    if stay is None:
        return "Nothing was planned for them: they have not entered the campaign's segment."
    if stay.at < campaign.started_at and not campaign.include_existing:
        return (
            "Nothing was planned for them: they entered the segment before the campaign was "
            "started, and it is for those who come after that (include_existing)."
        )
    return "Nothing was planned for them yet; the campaign's job may still be at work."


def _not_meant(run: Run | None) -> str:
    """Why a run of a broadcast has planned nothing for somebody; None: it is no run."""
    if run is None:
        return (
            "Nothing was planned for them: this is what a broadcast says; ask of one of its runs."
        )
    if run.again is not None:
        return "Nothing was planned for them: it is for those whose message failed in another run."
    if not run.planned and run.state in UNDER_WAY:
        return "Nothing was planned for them yet: the run is still being planned."
    at = run.at.isoformat(timespec="seconds")
    if not run.planned:
        return f"Nothing was planned for them: the run is {run.state} ({run.reason})."
    return f"Nothing was planned for them: they were not in the broadcast's audience at {at}."
