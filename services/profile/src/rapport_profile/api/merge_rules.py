"""The merge rules of a workspace: which identifiers join people, and working them out anew."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.idempotency import Once, Repeatable
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api.asking import Reader
from rapport_profile.api.models import rules as models
from rapport_profile.api.rules import NewVersion, Shelf, Writer
from rapport_profile.domain.merge_rules import (
    MAX_DAYS,
    MAX_KINDS,
    MAX_VALUE,
    KindRule,
    MaxNew,
    MergeRules,
)
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.rebuilding import Wanted
from rapport_profile.handlers.rules import declare_of_people, require_possible
from rapport_profile.store.jobs import REBUILD
from rapport_profile.store.rules import MERGE_RULES

Ops = Annotated[Operator, Depends(operator("ops"))]
Kind = Annotated[str, Field(min_length=1, max_length=64)]
Value = Annotated[str, Field(min_length=1, max_length=MAX_VALUE)]


class DeclaredNew(BaseModel):
    """So many new ones within some days."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=1, le=1_000_000, strict=True, description="so many at most")
    days: int = Field(
        ge=1, le=MAX_DAYS, strict=True, description="in any time as long as this, its end excluded"
    )

    def declared(self) -> MaxNew:
        """The same, as the domain has it."""
        return MaxNew(self.count, self.days)


class DeclaredKind(BaseModel):
    """What goes for one kind of identifier."""

    model_config = ConfigDict(extra="forbid")

    max_per_profile: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        strict=True,
        description="a person has so many at most; null: any number",
    )
    max_new: DeclaredNew | None = Field(
        None,
        description="a person gets so many new ones within so many days at most; null: any "
        "number. Less than `max_per_profile`, where both are given",
    )
    joins: bool = Field(
        True,
        description="whether it is a part of the person with whom it is named; one that does not "
        "join names only events that name nothing else, and those stay under it alone",
    )

    def declared(self) -> KindRule:
        """The same, as the domain has it."""
        new = None if self.max_new is None else self.max_new.declared()
        return KindRule(self.max_per_profile, self.joins, new)


class DeclaredRules(BaseModel):
    """Merge rules. Without any, the kinds have their usual order and a person any number of each.

    Of user ids a person has one, always.
    """

    model_config = ConfigDict(extra="forbid")

    order: list[Kind] = Field(
        default_factory=list,
        max_length=MAX_KINDS,
        description="kinds, strongest first, behind the user id; others follow in the usual order",
    )
    kinds: dict[Kind, DeclaredKind] = Field(
        default_factory=dict,
        max_length=MAX_KINDS,
        description="what goes for kinds; of those that are left out a person has any number",
    )
    blocked: dict[Kind, list[Value]] = Field(
        default_factory=dict,
        max_length=MAX_KINDS,
        description="values by kind that join nobody, such as a shop's own phone number",
    )

    def declared(self) -> MergeRules:
        """The same, as the domain has it."""
        return MergeRules(
            tuple(self.order),
            {kind: one.declared() for kind, one in self.kinds.items()},
            {kind: tuple(some) for kind, some in self.blocked.items()},
        )


class NewRules(DeclaredRules, NewVersion):
    """Merge rules that take the place of others."""


class NewRebuilding(BaseModel):
    """Working everybody out anew."""

    model_config = ConfigDict(extra="forbid")

    repair: bool = Field(False, description="also put right what is wrong, and tell of it")


def rules_routes(engine: AsyncEngine) -> APIRouter:
    """Show, try and change the rules; check or repair what is stored."""
    router = Router(tags=["merge rules"])
    shelf = Shelf(engine, MERGE_RULES, _fields)
    add_routes(router, _shown_rules(shelf), _changes(engine, shelf))
    return router


def _shown_rules(shelf: Shelf[MergeRules]) -> APIRouter:
    router = Router()

    @router.get("/v1/merge-rules", response_model=models.MergeRules)
    async def rules_that_hold(caller: Reader) -> dict[str, Any]:
        """The rules that hold; version 0 are those of a workspace that has declared none."""
        return await shelf.holding(caller.workspace)

    @router.get("/v1/merge-rules/history", response_model=Listed[models.MergeRules])
    async def history(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        return await shelf.history(caller.workspace, page)

    return router


def _changes(engine: AsyncEngine, shelf: Shelf[MergeRules]) -> APIRouter:
    router = Router()

    @router.put("/v1/merge-rules", status_code=202, response_model=models.ChangedRules)
    async def declare(body: NewRules, caller: Writer) -> dict[str, Any]:
        """Let rules hold from now on. A job brings everybody under them who is known by then."""
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            made, job = await declare_of_people(
                tx, MERGE_RULES, caller.workspace, body.declared(), after=body.version, by=by
            )
        return {**shelf.version(made), "job_id": job.id}

    @router.post("/v1/merge-rules/preview", status_code=202)
    async def preview(body: DeclaredRules, caller: Writer, once: Repeatable) -> ShownJob:
        """Look what would be under these rules: a job whose report says it. Nothing is changed."""
        possible = require_possible(MERGE_RULES, body.declared())
        return await _begun(engine, caller, once, Wanted(rules=possible))

    @router.post("/v1/profiles/rebuild", status_code=202)
    async def rebuild(body: NewRebuilding, caller: Ops, once: Repeatable) -> ShownJob:
        """Work everybody out anew from the stored events: a job whose report has the differences.

        There are none, unless something is broken.
        """
        return await _begun(engine, caller, once, Wanted(repair=body.repair))

    return router


async def _begun(engine: AsyncEngine, caller: Operator, once: Once, wanted: Wanted) -> ShownJob:
    spec = msgspec.to_builtins(wanted)
    async with engine.begin() as tx:
        return shown(await start(tx, once, caller.workspace, REBUILD, spec))


def _fields(declared: MergeRules) -> dict[str, Any]:
    return {
        "order": declared.order,
        "kinds": {kind: _shown_kind(one) for kind, one in declared.kinds.items()},
        "blocked": declared.blocked,
    }


def _shown_kind(one: KindRule) -> dict[str, Any]:
    new = None if one.max_new is None else msgspec.structs.asdict(one.max_new)
    return {**msgspec.structs.asdict(one), "max_new": new}
