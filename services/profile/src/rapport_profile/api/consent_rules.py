"""The consent rules of a workspace: what a yes needs to count, by purpose."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_profile.api.asking import NO_NUL, Reader
from rapport_profile.api.consent_models import Basis
from rapport_profile.api.models import rules as models
from rapport_profile.api.rules import NewVersion, Shelf, Writer
from rapport_profile.domain.consent_rules import (
    MAX_DAYS,
    MAX_PURPOSES,
    ConsentRules,
    PurposeRule,
)
from rapport_profile.handlers.rules import declare_of_people
from rapport_profile.store.rules import CONSENT_RULES

Purpose = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]


class DeclaredPurpose(BaseModel):
    """What a yes to one purpose needs, and what goes for one that does not say."""

    model_config = ConfigDict(extra="forbid")

    double_opt_in: bool = Field(
        False,
        description="one by e-mail counts when its owner has confirmed it by the link of a mail; "
        "who says it on a page is sent that mail",
    )
    wording_version: bool = Field(False, description="it counts when it says to which wording")
    legal_basis: Basis | None = Field(None, description="of words that state none")
    days: int | None = Field(
        None, ge=1, le=MAX_DAYS, strict=True, description="so long it holds where it states no end"
    )


class NewConsentRules(NewVersion):
    """Consent rules that take the place of others. To purposes left out a yes counts as said."""

    purposes: dict[Purpose, DeclaredPurpose] = Field(max_length=MAX_PURPOSES)

    def declared(self) -> ConsentRules:
        """The same, as the domain has it."""
        return ConsentRules(
            {name: PurposeRule(**one.model_dump()) for name, one in self.purposes.items()}
        )


def consent_rules_routes(engine: AsyncEngine) -> APIRouter:
    """Show and change the rules."""
    router = Router(tags=["consent rules"])
    shelf = Shelf(engine, CONSENT_RULES, _fields)

    @router.get("/v1/consent-rules", response_model=models.ConsentRules)
    async def consent_rules_that_hold(caller: Reader) -> dict[str, Any]:
        """The rules that hold; version 0 are those of a workspace that has declared none."""
        return await shelf.holding(caller.workspace)

    @router.get("/v1/consent-rules/history", response_model=Listed[models.ConsentRules])
    async def history_of_consent_rules(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        return await shelf.history(caller.workspace, page)

    @router.put("/v1/consent-rules", status_code=202, response_model=models.ChangedConsentRules)
    async def declare_consent_rules(body: NewConsentRules, caller: Writer) -> dict[str, Any]:
        """Let rules hold from now on. A job judges anew what was said before."""
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            made, job = await declare_of_people(
                tx, CONSENT_RULES, caller.workspace, body.declared(), after=body.version, by=by
            )
        return {**shelf.version(made), "job_id": job.id}

    return router


def _fields(declared: ConsentRules) -> dict[str, Any]:
    purposes = declared.purposes.items()
    return {"purposes": {name: msgspec.structs.asdict(one) for name, one in purposes}}
