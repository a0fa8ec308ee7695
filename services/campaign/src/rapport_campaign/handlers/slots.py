"""Slots of templates: operators say what they are filled by, and templates name those there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.recommending import Slot
from rapport_campaign.domain.speaking import ANYTHING, place_of
from rapport_campaign.handlers.recommending import ROOT, Asked
from rapport_campaign.handlers.supplying import Spoken
from rapport_campaign.store import people, ranking
from rapport_campaign.store import recommending as store
from rapport_campaign.store.recommending import Kept
from rapport_common import clock
from rapport_common.errors import InvalidRequestError, NotFoundError

MOST_SLOTS = 200
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Found:
    """Who is to be recommended what; `ranked_at`: of when best sellers are."""

    profile_id: str
    ranked_at: datetime | None
    asked: Asked


async def require(tx: AsyncConnection, workspace: str, slot: str) -> Kept:
    """A slot, or NotFoundError."""
    found = await store.find(tx, workspace, slot)
    if found is None:
        raise NotFoundError(f"There is no slot {slot!r} in this workspace: PUT makes it.")
    return found


async def put(tx: AsyncConnection, workspace: str, slot: Slot, by: str) -> None:
    """Let a slot be so."""
    known = await store.find(tx, workspace, slot.name)
    if known is None and await store.count(tx, workspace) >= MOST_SLOTS:
        message = f"A workspace has at most {MOST_SLOTS} slots: archive one."
        raise InvalidRequestError(message, details={"limit": MOST_SLOTS})
    await store.save(tx, workspace, slot, by, clock.now())


async def of_person(tx: AsyncConnection, workspace: str, profile_id: str, slot: str) -> Found:
    """Who is to be recommended what; NotFoundError."""
    known = (await require(tx, workspace, slot)).slot
    key = (workspace, profile_id)
    now_id = (await people.resolve(tx, [key]))[key]
    person = (await people.load(tx, [(workspace, now_id)])).get((workspace, now_id))
    if person is None or person.state is None:
        raise NotFoundError(f"There is no profile {profile_id} in this workspace, or no more.")
    at = (await ranking.ranked_at(tx, [workspace])).get(workspace)
    return Found(now_id, at, Asked(workspace, known, {now_id: person.state}))


async def check(tx: AsyncConnection, workspace: str, spoken: Sequence[Spoken]) -> None:
    """InvalidRequestError for texts that name a slot there is not, with each place."""
    wanted = {(workspace, one.mention.path[0]) for one in spoken if one.mention.path}
    known = {name for _, name in await store.slots(tx, wanted)} if wanted else set()
    problems: list[dict[str, Any]] = []
    for one in spoken:
        slot = one.mention.path[0] if one.mention.path else ""
        if slot in known:
            continue
        place = place_of(one.source, one.mention.index)
        told = (
            f"{ROOT} is followed by the name of a slot, such as {ROOT}.home"
            if slot in {"", ANYTHING}
            else f"there is no slot {slot!r}: PUT /v1/recommendations/{slot} makes it"
        )
        where = f"{one.field}, line {place['line']}, column {place['column']}"
        variable = f"{ROOT}.{slot}" if slot else ROOT
        problems.append(
            {"path": one.field, **place, "variable": variable, "message": f"{where}: {told}"}
        )
    if problems:
        raise InvalidRequestError(problems[0]["message"], details={"problems": problems[:_SHOWN]})
