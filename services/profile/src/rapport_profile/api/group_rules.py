"""The kinds of groups of a workspace: how many of one a person is in, and whose word counts."""

from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_profile.api import group_models as models
from rapport_profile.api.asking import NO_NUL, Reader
from rapport_profile.api.rules import NewVersion, Shelf, Writer
from rapport_profile.api.trait_rules import DeclaredTrait, Name, trait_rule
from rapport_profile.domain.groups.kinds import (
    MAX_KINDS,
    MAX_PER_PERSON,
    GroupKind,
    GroupRules,
    Public,
)
from rapport_profile.domain.trait_rules import MAX_DECLARED, MAX_DESCRIPTION
from rapport_profile.handlers.group_rules import declare_kinds
from rapport_profile.store.rules import GROUP_RULES


class DeclaredKind(BaseModel):
    """What goes for one kind of group."""

    model_config = ConfigDict(extra="forbid")

    max_per_person: int | None = Field(
        None,
        ge=1,
        le=MAX_PER_PERSON,
        description="a person is in so many at most: who joins one more has left the one joined "
        f"longest ago; null: {MAX_PER_PERSON}",
    )
    public: Public = Field(
        "membership",
        description="what a public source, such as a web page, may say: `nothing`; `membership`, "
        "unverified, and no traits; or `everything`, as a server may",
    )
    traits: dict[Name, DeclaredTrait] = Field(
        default_factory=dict,
        max_length=MAX_DECLARED,
        description="which of what was said of a trait counts, as with the traits of people",
    )
    description: str = Field("", max_length=MAX_DESCRIPTION, pattern=NO_NUL)


class NewGroupRules(NewVersion):
    """Kinds that take the place of others."""

    kinds: dict[Name, DeclaredKind] = Field(max_length=MAX_KINDS)

    def declared(self) -> GroupRules:
        """The same, as the domain has it."""
        return GroupRules({name: _declared(one) for name, one in self.kinds.items()})


def group_rules_routes(engine: AsyncEngine) -> APIRouter:
    """Show and change the kinds."""
    router = Router(tags=["groups"])
    shelf = Shelf(engine, GROUP_RULES, _fields)

    @router.get("/v1/group-rules", response_model=models.GroupRules)
    async def group_rules_that_hold(caller: Reader) -> dict[str, Any]:
        """The kinds that hold; version 0 are those of a workspace that has declared none."""
        return await shelf.holding(caller.workspace)

    @router.get("/v1/group-rules/history", response_model=Listed[models.GroupRules])
    async def history_of_group_rules(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        return await shelf.history(caller.workspace, page)

    @router.put("/v1/group-rules", response_model=models.GroupRules)
    async def declare_group_rules(body: NewGroupRules, caller: Writer) -> dict[str, Any]:
        """Let kinds hold from now on. What was said before is worked out anew by them."""
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            made = await declare_kinds(
                tx, caller.workspace, body.declared(), after=body.version, by=by
            )
        return shelf.version(made)

    return router


def _declared(one: DeclaredKind) -> GroupKind:
    traits = {name: trait_rule(rule) for name, rule in one.traits.items()}
    return GroupKind(one.max_per_person, one.public, traits, one.description)


def _fields(declared: GroupRules) -> dict[str, Any]:
    return {"kinds": {name: _whole(one) for name, one in declared.kinds.items()}}


def _whole(one: GroupKind) -> dict[str, Any]:
    traits = {name: msgspec.structs.asdict(rule) for name, rule in one.traits.items()}
    return {**msgspec.structs.asdict(one), "traits": traits}
