"""Routes for operators: how often people are asked, and why somebody is not asked now."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import Name, id_of
from rapport_feedback.api.rule_models import Body, Reason, Replaced
from rapport_feedback.domain.contact_policy import (
    ANY_SURVEY_DAYS,
    MAX_DAYS,
    MAX_SURVEYS,
    THIS_SURVEY_DAYS,
    ContactPolicy,
)
from rapport_feedback.domain.naming import named
from rapport_feedback.handlers import contact_policy
from rapport_feedback.handlers.contact_policy import Override
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store import contact_history, contact_policies
from rapport_feedback.store.contact_policies import Version

Days = Annotated[int, Field(ge=0, le=MAX_DAYS, strict=True)]
Whose = Annotated[Name | None, Query(description="of whom is asked; one of the three at least")]


class ExemptionBody(Body):
    """The clocks of one survey; what is left out is as the policy says, 0: it does not hold."""

    any_survey_days: Days | None = None
    this_survey_days: Days | None = None


class PolicyBody(Body):
    """Two clocks: since the last invitation to any survey, and to this one."""

    any_survey_days: Days = ANY_SURVEY_DAYS
    this_survey_days: Days = THIS_SURVEY_DAYS
    surveys: dict[Annotated[str, Field(max_length=36)], ExemptionBody] = Field(
        default_factory=dict, max_length=MAX_SURVEYS, description="Exemptions, by id."
    )


_EXAMPLE: dict[str, Any] = {
    "any_survey_days": 30,
    "this_survey_days": 90,
    "surveys": {
        "0190a5c0-0000-7000-8000-000000000001": {"any_survey_days": 0, "this_survey_days": 7}
    },
}


class NewContactPolicy(PolicyBody):
    """The policy as a whole, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{**_EXAMPLE, "version": 0, "reason": "nobody is asked twice a month"}]
        },
    )

    version: Replaced = 0
    reason: Reason

    def policy(self) -> ContactPolicy:
        """The same for the domain."""
        told = self.model_dump(exclude={"version", "reason"})
        return msgspec.convert(told, ContactPolicy)


class ShownContactPolicy(PolicyBody):
    """What holds since when, by whom and why; version 0: nobody has decided anything."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "version": 1,
                    "actor": "ann",
                    "reason": "nobody is asked twice a month",
                    "created_at": "2026-03-01T09:00:00Z",
                }
            ]
        }
    )

    version: int
    actor: str
    reason: str
    created_at: datetime | None

    @classmethod
    def of(cls, one: Version) -> Self:
        """A version as staff see it."""
        return cls(
            **msgspec.to_builtins(one.policy),
            version=one.version,
            actor=one.actor,
            reason=one.reason,
            created_at=one.created_at,
        )


class WhyNot(BaseModel):
    """Whether a person may be invited to a survey now; if not, which rule is against it.

    `rule`: `archived`, `anonymous` (the survey), `restricted` (their data are only to be kept), or
    a clock of the contact policy, which counts from `invited_at` and opens at `opens_at`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "allowed": False,
                    "rule": "any_survey",
                    "invited_at": "2026-03-01T09:00:00Z",
                    "opens_at": "2026-03-31T09:00:00Z",
                }
            ]
        }
    )

    allowed: bool
    rule: str | None = None
    invited_at: datetime | None = None
    opens_at: datetime | None = None


def contact_policy_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/contact-policy."""
    router = Router(prefix="/v1", tags=["contact policy"])

    @router.get("/contact-policy")
    async def shown(caller: Reader) -> ShownContactPolicy:
        """How often people are asked."""
        async with engine.begin() as tx:
            found = await contact_policies.current(tx, caller.workspace)
        return ShownContactPolicy.of(found)

    @router.put("/contact-policy")
    async def declare(body: NewContactPolicy, caller: Writer) -> ShownContactPolicy:
        """Let this hold from now on, as a whole, for what is planned as well."""
        by = Override(caller.subject, body.reason)
        async with engine.begin() as tx:
            found = await contact_policy.declare(
                tx, caller.workspace, body.policy(), replaces=body.version, by=by
            )
        return ShownContactPolicy.of(found)

    @router.get("/contact-policy/history", response_model=Listed[ShownContactPolicy])
    async def history(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await contact_policies.history(
                tx, caller.workspace, before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.version], show=ShownContactPolicy.of)

    return router


def why_not_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys/{survey_id}/why-not."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.get("/{survey_id}/why-not")
    async def why_not(
        survey_id: str,
        caller: Reader,
        user_id: Whose = None,
        email: Whose = None,
        anonymous_id: Whose = None,
    ) -> WhyNot:
        """Why a person is not invited to a survey now, and from when on they can be."""
        whose = named(user_id, email, anonymous_id)
        if whose is None:
            message = "Say of whom: user_id, email or anonymous_id, and no placeholder."
            raise InvalidRequestError(message)
        async with engine.begin() as tx:
            survey = await surveys.get(tx, caller.workspace, id_of(survey_id, "survey"))
            if survey.archived_at is not None or survey.anonymous:
                rule = "anonymous" if survey.archived_at is None else "archived"
                return WhyNot(allowed=False, rule=rule)
            return await _why_not(tx, caller.workspace, survey.survey_id, whose.identifiers)

    return router


async def _why_not(
    tx: AsyncConnection, workspace: str, survey_id: UUID, identifiers: list[tuple[str, str]]
) -> WhyNot:
    persons = await contact_history.people(tx, workspace, [identifiers])
    if await contact_history.restricted(tx, workspace, persons):
        return WhyNot(allowed=False, rule="restricted")
    found = await contact_policy.closed(tx, workspace, survey_id, persons[0], clock.now())
    if found is None:
        return WhyNot(allowed=True)
    return WhyNot(allowed=False, rule=found.clock, invited_at=found.since, opens_at=found.opens_at)
