"""Routes for operators: what follows from answers to a survey."""

from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from fastapi import APIRouter
from pydantic import ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import Line, id_of
from rapport_feedback.api.rule_models import Body, Word
from rapport_feedback.domain.case_fields import Severity
from rapport_feedback.domain.follow_ups import MAX_RULES, FollowUps
from rapport_feedback.handlers import follow_ups
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.store import follow_ups as store
from rapport_feedback.store.follow_ups import Version

_RULES: Any = [
    {
        "id": "detractor",
        "if": {"answer": "score", "op": "lte", "value": 6},
        "case": {"severity": "high", "category": "detractor", "team": "care"},
    }
]


class NewCaseBody(Body):
    """What the case is from the start; its clocks go by the policy for that."""

    subject: Line | None = Field(default=None, description="Left out: the survey and the score.")
    severity: Severity = Severity.NORMAL
    category: Word = ""
    product: Word = Field(default="", description="Left out: that of the invitation.")
    tier: Word = ""
    team: Word = ""
    owner: Word = ""


class FollowUpBody(Body):
    """A rule: of an answer that is such there is one case."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    when: dict[str, Any] = Field(
        alias="if", description="On answers: {answer, op, value}, or and, or, not of such."
    )
    case: NewCaseBody = Field(default_factory=NewCaseBody)


class FollowUpsBody(Body):
    """The rules of a survey, as a whole; each that holds opens a case."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rules": _RULES}]})

    rules: list[FollowUpBody] = Field(default_factory=list, max_length=MAX_RULES)

    def document(self) -> FollowUps:
        """The same for the domain."""
        return msgspec.convert(self.model_dump(by_alias=True), FollowUps)


class ShownFollowUps(FollowUpsBody):
    """What follows from answers, since when and by whom; version 0: nothing does."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rules": _RULES,
                    "version": 1,
                    "actor": "ann",
                    "created_at": "2026-03-01T09:00:00Z",
                }
            ]
        }
    )

    version: int
    actor: str
    created_at: datetime | None

    @classmethod
    def of(cls, one: Version) -> Self:
        """A version as staff see it."""
        return cls.model_validate(
            {
                **msgspec.to_builtins(one.document),
                "version": one.version,
                "actor": one.actor,
                "created_at": one.created_at,
            }
        )


def follow_up_routes(engine: AsyncEngine, surveys: Surveys) -> APIRouter:
    """/v1/surveys/{survey_id}/follow-ups."""
    router = Router(prefix="/v1/surveys", tags=["surveys"])

    @router.get("/{survey_id}/follow-ups")
    async def shown(survey_id: str, caller: Reader) -> ShownFollowUps:
        """Which answers become cases."""
        async with engine.begin() as tx:
            survey = await surveys.get(tx, caller.workspace, id_of(survey_id, "survey"))
            found = await store.current(tx, caller.workspace, survey.survey_id)
        return ShownFollowUps.of(found)

    @router.put("/{survey_id}/follow-ups")
    async def declare(survey_id: str, body: FollowUpsBody, caller: Writer) -> ShownFollowUps:
        """Let these rules hold for answers from now on, as a whole."""
        async with engine.begin() as tx:
            chosen = id_of(survey_id, "survey")
            survey, form = await surveys.form(tx, caller.workspace, chosen)
            found = await follow_ups.declare(
                tx,
                caller.workspace,
                survey.survey_id,
                body.document(),
                form,
                actor=caller.subject,
            )
        return ShownFollowUps.of(found)

    return router
