"""Groups: which there are, who is in them, what operators say of them."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.paging import Listed, Page, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api import group_models as models
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import NO_NUL, Reader, Text, person
from rapport_profile.domain.groups.membership import Membership, memberships
from rapport_profile.domain.groups.traits import visible
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers import group_words as words
from rapport_profile.handlers.group_settling import rules_of
from rapport_profile.store import group_facts, groups
from rapport_profile.store.groups import Group
from rapport_profile.store.reads import Person

Writer = Annotated[Operator, Depends(operator("profiles:write"))]
Why = Annotated[str, Query(min_length=1, max_length=1000, pattern=NO_NUL)]
COUNTED = 100_000


def group_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Groups, and people's parts in them; `ids` names identifiers."""
    router = Router(tags=["groups"])
    add_routes(
        router,
        _shown(engine, ids),
        _of_people(engine),
        _described(engine, ids),
        _moved(engine, ids),
    )
    return router


def _shown(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = Router()

    @router.get("/v1/groups", response_model=Listed[models.ListedGroup])
    async def list_groups(
        caller: Reader, page: Paging, kind: Annotated[Text | None, Query()] = None
    ) -> Response:
        """The groups in the order of kind and key; those of one kind."""
        after = page.after(str, str)
        place = (after[0], after[1]) if after else None
        async with engine.begin() as tx:
            found = await groups.page(tx, caller.workspace, page.ask, place, kind=kind)
        return json_answer(page.answer(found, key=lambda one: [one.kind, one.key], show=_listed))

    @router.get("/v1/groups/lookup", response_model=models.Group)
    async def find_group(caller: Reader, kind: Text, key: Text) -> Response:
        """The one group of a kind that has a key."""
        async with engine.begin() as tx:
            found = await words.named(tx, ids, caller.workspace, (kind, key))
            return await _whole(tx, caller, found)

    @router.get("/v1/groups/{group_id}", response_model=models.Group)
    async def get_group(group_id: UUID, caller: Reader) -> Response:
        """A group, its traits, and how many are in it."""
        async with engine.begin() as tx:
            found = await words.known(tx, caller.workspace, group_id)
            return await _whole(tx, caller, found)

    @router.get("/v1/groups/{group_id}/members", response_model=Listed[models.Member])
    async def members_of_group(group_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        """Who is in a group, by the ids of their profiles."""
        after = page.after(UUID)
        async with engine.begin() as tx:
            found = await words.known(tx, caller.workspace, group_id)
            before = str(after[0]) if after else None
            rows = await groups.members(tx, caller.workspace, found.id, page.ask, before)
        return page.answer(rows, key=lambda row: [row.profile_id], show=_member)

    return router


def _of_people(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get("/v1/profiles/{profile_id}/groups", response_model=Listed[models.Membership])
    async def groups_of_person(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        """The groups that a person is in, and those they have left: as of now."""
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, profile_id)
            found = await _memberships(tx, who)
            rest = _behind(found, page)
            known = await groups.among(tx, who.workspace, {one.group_id for one in rest})
        return json_answer(page.answer(rest, key=_place, show=lambda one: _part(one, known)))

    return router


def _described(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = Router()

    @router.post("/v1/groups", status_code=201, response_model=models.Group)
    async def create_group(body: models.NewGroup, caller: Writer) -> Response:
        """A group that nobody has spoken of yet; 409 with its `id` where there is one."""
        named, said = (body.kind, body.key), (body.traits, body.reason)
        async with engine.begin() as tx:
            made = await words.create(tx, ids, caller, named, said)
            answer = await _whole(tx, caller, made)
        answer.status_code = 201
        return answer

    @router.patch("/v1/groups/{group_id}", response_model=models.Group)
    async def describe_group(group_id: UUID, body: models.Description, caller: Writer) -> Response:
        """Give traits of a group other values: said now, by you, and kept with the reason."""
        async with engine.begin() as tx:
            found = await words.describe(tx, caller, group_id, (body.traits, body.reason))
            return await _whole(tx, caller, found)

    @router.delete("/v1/groups/{group_id}", status_code=204)
    async def delete_group(group_id: UUID, caller: Writer, reason: Why) -> None:
        """A group is no more: its traits and members go. Who is spoken of as in it later makes
        it anew.
        """
        async with engine.begin() as tx:
            await words.delete(tx, caller, group_id, reason)

    return router


def _moved(engine: AsyncEngine, ids: Ids) -> APIRouter:
    router = Router()

    @router.post("/v1/groups/{group_id}/add", response_model=models.Membership)
    async def add_to_group(group_id: UUID, body: models.Joining, caller: Writer) -> Response:
        """Somebody is in the group from now on; those who are in too many leave another."""
        async with engine.begin() as tx:
            where = await _place_of(tx, caller, group_id, body.profile_id)
            await words.put_in(tx, ids, caller, where, (body.role, body.reason))
            return await _part_in(tx, where)

    @router.post("/v1/groups/{group_id}/remove", response_model=models.Membership)
    async def remove_from_group(group_id: UUID, body: models.Leaving, caller: Writer) -> Response:
        """Somebody is in the group no more, unless they join again; 404 who never was."""
        async with engine.begin() as tx:
            where = await _place_of(tx, caller, group_id, body.profile_id)
            await words.take_out(tx, caller, where, body.reason)
            return await _part_in(tx, where)

    return router


async def _place_of(
    tx: AsyncConnection, caller: Operator, group_id: UUID, profile_id: UUID
) -> tuple[Group, Person]:
    group = await words.known(tx, caller.workspace, group_id)
    who, _found = await person(tx, caller.workspace, profile_id)
    return group, who


async def _part_in(tx: AsyncConnection, where: tuple[Group, Person]) -> Response:
    group, who = where
    found = [one for one in await _memberships(tx, who) if one.group_id == group.id]
    if not found:
        message = f"{who.profile_id} has never been in the {group.kind} '{group.key}'."
        raise NotFoundError(message, details={"id": str(who.profile_id)})
    return json_answer(_part(found[0], {group.id: group}))


async def _memberships(tx: AsyncConnection, who: Person) -> list[Membership]:
    scoped = (who.workspace, str(who.profile_id))
    said = (await group_facts.words(tx, [scoped])).get(scoped, [])
    return sorted(memberships(said, await rules_of(tx, who.workspace)), key=_place)


def _behind(found: Sequence[Membership], page: Page) -> list[Membership]:
    after = page.after(str, str)
    rest = [one for one in found if after is None or (one.kind, one.key) > after]
    return rest[: page.ask]


def _place(one: Membership) -> list[str]:
    return [one.kind, one.key]


async def _whole(tx: AsyncConnection, caller: Operator, found: Group) -> Response:
    number = await groups.count(tx, caller.workspace, found.id, COUNTED)
    return json_answer({**_listed(found), "members": number})


def _listed(one: Group) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "key": one.key,
        "traits": visible(one.traits),
        "updated_at": one.updated_at,
    }


def _member(row: Row[Any]) -> dict[str, Any]:
    shown = {"profile_id": row.profile_id, "joined_at": row.since, "role": row.role}
    return {**shown, "verified": row.is_verified}


def _part(one: Membership, known: dict[str, Group]) -> dict[str, Any]:
    group = known.get(one.group_id)
    shown = one._asdict()
    shown["verified"] = shown.pop("is_verified")
    shown["joined_at"] = shown.pop("since")
    return {**shown, "traits": {} if group is None else visible(group.traits)}
