"""That a contact point takes messages again."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.events.contact import contact_point
from rapport_common.routes import Router
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import person
from rapport_profile.api.decisions import NO_NUL, Reason
from rapport_profile.api.profiles import summary_of
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.clearing import Cleared, Clearing

Writer = Annotated[Operator, Depends(operator("profiles:write"))]


class PointToClear(BaseModel):
    """Which contact point takes messages again, and how that is known."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "channel": "email",
                "contact_point": "ada@example.com",
                "reason": "she has a new mailbox: call 4712",
            }
        },
    )

    channel: Literal["email", "sms"]
    contact_point: Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
    reason: Reason

    @model_validator(mode="after")
    def _is_a_point(self) -> Self:
        found = contact_point(self.channel, self.contact_point)
        if found is None:
            message = "contact_point must be an e-mail address, or a number with its country's code"
            raise PydanticCustomError("contact_point", message)
        self.contact_point = found
        return self


class PointsOfPerson(BaseModel):
    """Where a person is reached now, and how each point is."""

    profile_id: UUID
    contact_points: list[dict[str, Any]]


def contact_point_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Clear the state of a contact point."""
    router = Router(tags=["profiles"])
    clearing = Clearing(ids)

    @router.post("/v1/contact-points/clear", response_model=PointsOfPerson)
    async def clear(body: PointToClear, caller: Writer) -> Response:
        """Let a point that has bounced, or whose owner has complained, be `ok` again.

        Followers are told within a second. Campaign's suppression list is its own: take the address
        off there, too.
        """
        point = Cleared(body.channel, body.contact_point, body.reason)
        async with engine.begin() as tx:
            whose = await clearing.clear(tx, caller, point)
            who, found = await person(tx, caller.workspace, UUID(whose))
            points = (await summary_of(tx, who, found)).fold.contact_points()
        return json_answer({"profile_id": found.id, "contact_points": points})

    return router
