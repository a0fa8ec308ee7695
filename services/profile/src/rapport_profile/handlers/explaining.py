"""Why two identifiers are one person, or why they are not."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import NotFoundError
from rapport_common.events.envelope import Identifier
from rapport_common.ids import uuid7_text
from rapport_profile.domain.explaining import Explaining, Obstacle, Step, chain
from rapport_profile.domain.merge_rules import RuleBook
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.store import decisions, explaining, lookups, people
from rapport_profile.store.decisions import APART
from rapport_profile.store.reads import Person


class Explanation(NamedTuple):
    """What leads from one identifier to another, and what lets it not count.

    `other`: the profile of the second, where they are two people. `names`: of all identifiers that
    are spoken of. `decisions`: the ids of those that keep two apart, by these two.
    """

    way: list[Step]
    other: Id | None
    obstacles: Sequence[Obstacle]
    names: dict[Id, Identifier]
    decisions: dict[tuple[Id, Id], Id]


async def explained(
    tx: AsyncConnection, ids: Ids, book: RuleBook, who: Person, ends: tuple[Id, Id]
) -> Explanation:
    """Why the first identifier, which is this person's, and the second are one person or not.

    NotFoundError where the first is not this person's, or the second is nobody's.
    """
    owners = await explaining.owners(tx, who.workspace, ends)
    mine = str(who.profile_id)
    if owners.get(ends[0]) != mine or ends[1] not in owners:
        message = (
            f"The first is no identifier of this person, or the second of nobody. "
            f"`/v1/profiles/{mine}/identifiers` lists this person's."
        )
        raise NotFoundError(message, details={"id": mine})
    if owners[ends[1]] == mine:
        way = chain(await explaining.among(tx, who), *ends) or []
        names = await _names(tx, who.workspace, way, (), ends)
        return Explanation(way, None, (), names, {})
    working = Explaining(ids, uuid7_text, book)
    seeds = {(who.workspace, one) for one in ends}
    await people.load_around(tx, working, seeds, None, wide=True)
    way = working.way(*ends)
    shared = [(who.workspace, one) for one in working.shared_on(way, ends)]
    near = await lookups.near(tx, shared) if shared else {}
    obstacles = working.obstacles(way, near)
    said: dict[tuple[Id, Id], Id] = {}
    for one in obstacles:
        if one.apart is not None:
            holding = await decisions.holding(tx, who.workspace, APART, _in_order(one.apart))
            said |= {one.apart: holding.id} if holding is not None else {}
    names = await _names(tx, who.workspace, way, obstacles, ends)
    return Explanation(way, owners[ends[1]], obstacles, names, said)


def _in_order(pair: tuple[Id, Id]) -> tuple[Id, Id]:
    return min(pair), max(pair)


async def _names(
    tx: AsyncConnection,
    workspace: str,
    way: Collection[Step],
    obstacles: Collection[Obstacle],
    ends: Collection[Id],
) -> dict[Id, Identifier]:
    wanted = {*ends, *(end for step in way for end in (step.a, step.b))}
    for one in obstacles:
        wanted.update(one.at, one.users, one.apart or ())
    return await explaining.names(tx, workspace, sorted(wanted))
