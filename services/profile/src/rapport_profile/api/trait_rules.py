"""The trait rules of a workspace: what each trait is, and which of what was said counts."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_profile.api.asking import NO_NUL, Reader
from rapport_profile.api.models import rules as models
from rapport_profile.api.rules import NewVersion, Shelf, Writer
from rapport_profile.domain.trait_rules import (
    MAX_DECLARED,
    MAX_DESCRIPTION,
    MAX_NAME,
    MAX_SOURCES,
    Rule,
    TraitRule,
    TraitRules,
    Type,
)
from rapport_profile.handlers.rules import declare_of_people
from rapport_profile.store.rules import TRAIT_RULES

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=NO_NUL)]


class DeclaredTrait(BaseModel):
    """What goes for one trait."""

    model_config = ConfigDict(extra="forbid")

    rule: Rule = Field(
        "latest",
        description="which value counts: the `latest` or `first` said; by `priority` of sources; "
        "the `max` or `min` number or time; `union`, a list of all; `removed`: it is not kept",
    )
    type: Type | None = Field(
        None, description="what a value must be, or become without loss, to count; null: anything"
    )
    sources: list[Name] = Field(
        default_factory=list,
        max_length=MAX_SOURCES,
        description="with `priority`: ids of sources, the strongest first; others come last",
    )
    description: str = Field("", max_length=MAX_DESCRIPTION, pattern=NO_NUL)


class NewTraitRules(NewVersion):
    """Trait rules that take the place of others. Of traits left out the latest value counts."""

    traits: dict[Name, DeclaredTrait] = Field(max_length=MAX_DECLARED)

    def declared(self) -> TraitRules:
        """The same, as the domain has it."""
        return TraitRules({name: trait_rule(one) for name, one in self.traits.items()})


def trait_rule(one: DeclaredTrait) -> TraitRule:
    """What goes for one trait, as the domain has it."""
    return TraitRule(one.rule, one.type, tuple(one.sources), one.description)


def trait_rules_routes(engine: AsyncEngine) -> APIRouter:
    """Show and change the rules."""
    router = Router(tags=["trait rules"])
    shelf = Shelf(engine, TRAIT_RULES, _fields)

    @router.get("/v1/trait-rules", response_model=models.TraitRules)
    async def trait_rules_that_hold(caller: Reader) -> dict[str, Any]:
        """The rules that hold; version 0 are those of a workspace that has declared none."""
        return await shelf.holding(caller.workspace)

    @router.get("/v1/trait-rules/history", response_model=Listed[models.TraitRules])
    async def history_of_trait_rules(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        return await shelf.history(caller.workspace, page)

    @router.put("/v1/trait-rules", status_code=202, response_model=models.ChangedTraitRules)
    async def declare_trait_rules(body: NewTraitRules, caller: Writer) -> dict[str, Any]:
        """Let rules hold from now on. A job weighs anew what was said before."""
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            made, job = await declare_of_people(
                tx, TRAIT_RULES, caller.workspace, body.declared(), after=body.version, by=by
            )
        return {**shelf.version(made), "job_id": job.id}

    return router


def _fields(declared: TraitRules) -> dict[str, Any]:
    return {"traits": {name: msgspec.structs.asdict(one) for name, one in declared.traits.items()}}
