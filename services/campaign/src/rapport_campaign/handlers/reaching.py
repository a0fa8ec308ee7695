"""Who a run of a broadcast is for: the next page of its audience, for planning and for dry runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.broadcasts import Audience, Broadcast, Member, Run, plan_member
from rapport_campaign.domain.contact_rules import USUAL
from rapport_campaign.domain.model import Campaign, NewMessage, send_key
from rapport_campaign.domain.schedules import Local, due_of
from rapport_campaign.domain.zones import clock_of
from rapport_campaign.store import audiences, broadcasts, contact_rules, people, runs

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """Members of an audience, where the next page begins, and how many rows were looked at.

    `rows` of 0: there is nobody behind it.
    """

    members: Sequence[Member]
    position: Mapping[str, Any]
    rows: int


async def next_page(
    tx: AsyncConnection, broadcast: Broadcast, run: Run, position: Mapping[str, Any], limit: int
) -> Page:
    """The members behind a position, each person once, but for those of earlier pages."""
    if run.again is not None:
        return await _failed(tx, run, position, limit)
    audience, number = broadcast.audience, int(position.get("segment", 0))
    after = str(position.get("after", ""))
    at, until = run.at, _until(broadcast, run)
    while number < len(audience.any):
        found = await audiences.stays(
            tx, run.workspace, audience.any[number], at=at, until=until, after=after, limit=limit
        )
        if found:
            members = await _members(tx, run.workspace, audience, at, found)
            return Page(members, {"segment": number, "after": found[-1].entry_id}, len(found))
        number, after = number + 1, ""
    return Page((), position, 0)


def plain_page(
    broadcast: Broadcast, run: Run, position: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Which stays the next page is of, where nothing has to be decided for each person: they all
    get it at the run's instant, and no other segment has a say. Else None.
    """
    audience, number = broadcast.audience, int(position.get("segment", 0))
    is_plain = run.again is None and not isinstance(broadcast.schedule, Local)
    if not is_plain or audience.every or audience.excluded or number >= len(audience.any):
        return None
    return {
        "workspace": run.workspace,
        "segment": audience.any[number],
        "at": run.at,
        "until": _until(broadcast, run),
        "after": str(position.get("after", "")),
    }


def _until(broadcast: Broadcast, run: Run) -> datetime:
    """Until when stays may have begun."""
    if broadcast.joins_until is None:
        return run.at
    # Who came behind the instant is told of as a newcomer, or was before there was a run.
    return max(run.at, min(run.began_at, broadcast.joins_until - timedelta(microseconds=1)))


async def new_ones(
    tx: AsyncConnection, run_id: str, workspace: str, members: Sequence[Member]
) -> list[Member]:
    """Those to whom the run has planned nothing, under whatever id they had then."""
    former = await audiences.former_ids(tx, workspace, [one.profile_id for one in members])
    keys = {
        one.profile_id: [
            send_key(workspace, run_id, each)
            for each in (one.profile_id, *former.get(one.profile_id, ()))
        ]
        for one in members
    }
    taken = await audiences.taken(tx, workspace, [key for each in keys.values() for key in each])
    return [one for one in members if taken.isdisjoint(keys[one.profile_id])]


async def dues(
    tx: AsyncConnection, broadcast: Broadcast, run: Run, members: Sequence[Member]
) -> dict[str, datetime | None]:
    """When each of them is to get it; None: their local time is over."""
    if not isinstance(broadcast.schedule, Local) or run.again is not None:
        return {one.profile_id: run.at for one in members}
    keys = [(run.workspace, one.profile_id) for one in members]
    known = await people.load(tx, keys)
    rules = (await contact_rules.current(tx, [run.workspace])).get(run.workspace, USUAL)
    found: dict[str, datetime | None] = {}
    for key in keys:
        person = known.get(key)
        clock = clock_of(person.state if person else None, rules.timezone)
        found[key[1]] = due_of(broadcast.schedule, clock.zone, run.at)
    return found


def copy_of(said: Campaign, broadcast: Broadcast, run_id: str, at: datetime) -> Campaign:
    """What a run sends: what the broadcast says, under an id of its own."""
    return replace(
        said,
        campaign_id=run_id,
        broadcast_id=broadcast.broadcast_id,
        segment_id=broadcast.audience.only or "",
        state="running",
        started_at=at,
        archived_at=None,
        joins_until=broadcast.joins_until,
    )


async def _members(
    tx: AsyncConnection,
    workspace: str,
    audience: Audience,
    at: datetime,
    stays: Sequence[audiences.Stay],
) -> list[Member]:
    now_ids = await people.resolve(tx, [(workspace, one.profile_id) for one in stays])
    found: dict[str, Member] = {}
    for one in stays:
        now_id = now_ids[workspace, one.profile_id]
        # A version counts within one profile: after a merge it says nothing about the other.
        needed = one.profile_version if now_id == one.profile_id else 0
        found.setdefault(now_id, Member(now_id, needed))
    others = {*audience.every, *audience.excluded}
    if not others:
        return list(found.values())
    places = await audiences.places(tx, workspace, found.keys(), others, at)
    return [one for one in found.values() if audience.has(places[one.profile_id])]


async def _failed(tx: AsyncConnection, run: Run, position: Mapping[str, Any], limit: int) -> Page:
    at = datetime.fromisoformat(position["at"]) if "at" in position else _BEGINNING
    after = (at, str(position.get("after", "")))
    found = await audiences.failed(tx, run.workspace, run.again or "", after=after, limit=limit)
    if not found:
        return Page((), position, 0)
    now_ids = await people.resolve(tx, [(run.workspace, one.profile_id) for one in found])
    once = dict.fromkeys(now_ids[run.workspace, one.profile_id] for one in found)
    last = found[-1]
    behind = {"at": last.planned_at.isoformat(), "after": last.send_key}
    return Page([Member(one) for one in once], behind, len(found))


async def first_times(
    tx: AsyncConnection,
    wanted: Sequence[NewMessage | None],
    started: Mapping[tuple[str, str], Sequence[Campaign]],
) -> list[NewMessage]:
    """What is to be planned; of a broadcast's run nobody gets a second one under another id, and
    each is as late as those that the run has planned itself.
    """
    of_runs = {
        (one.workspace, one.campaign_id): one
        for each in started.values()
        for one in each
        if one.broadcast_id is not None
    }
    messages = [one for one in wanted if one is not None]
    by_run: dict[tuple[str, str], list[NewMessage]] = {}
    for one in messages:
        run = (one.workspace, one.campaign_id or "")
        if run in of_runs:
            by_run.setdefault(run, []).append(one)
    again: set[str] = set()
    timed: dict[str, NewMessage] = {}
    for (workspace, run_id), some in by_run.items():
        new = await new_ones(tx, run_id, workspace, [Member(one.profile_id) for one in some])
        fresh = {one.profile_id for one in new}
        again |= {one.send_key for one in some if one.profile_id not in fresh}
        told = [one for one in some if one.profile_id in fresh]
        timed |= await _timed(tx, of_runs[workspace, run_id], told)
    return [timed.get(one.send_key, one) for one in messages if one.send_key not in again]


async def _timed(
    tx: AsyncConnection, campaign: Campaign, told: Sequence[NewMessage]
) -> dict[str, NewMessage]:
    """By send key: messages to those whom a run is told of after it has begun, due at its time, or
    (who came later) at theirs.
    """
    run = await runs.find(tx, campaign.workspace, campaign.campaign_id)
    if run is None:
        return {}
    broadcast = await broadcasts.find(tx, run.workspace, run.broadcast_id)
    if broadcast is None:
        return {}
    members = [Member(one.profile_id, one.needed_version) for one in told]
    usual = await dues(tx, broadcast, run, members)
    found: dict[str, NewMessage] = {}
    for member, one in zip(members, told, strict=True):
        due = one.due_at or usual[member.profile_id]
        # Who is told of last has the last place: none is given away here, which would hold up all.
        like = plan_member(campaign, member, due, slot=run.slots, broadcast=broadcast, run=run)
        at = replace(one, due_at=like.due_at, late_at=like.late_at)
        if one.state == "planned":
            at = replace(at, state=like.state, reason=like.reason)
        found.setdefault(one.send_key, at)
    return found
