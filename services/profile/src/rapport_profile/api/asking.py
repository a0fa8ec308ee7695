"""What routes on people have in common: who asks, about whom, and after which event of his own."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_profile.handlers.arrivals import WAIT_SECONDS
from rapport_profile.store import reads

NO_NUL = r"^[^\x00]*$"
Reader = Annotated[Operator, Depends(operator("profiles:read"))]
Text = Annotated[str, Query(min_length=1, max_length=512, pattern=NO_NUL)]


class Own:
    """The event that was to be applied first, if any: (source, message id)."""

    def __init__(
        self,
        after: Annotated[
            str | None,
            Query(
                max_length=1024,
                pattern=NO_NUL,
                description="A message id: answer when this event has been applied; 409 "
                f"`not_applied` when it is not within {WAIT_SECONDS:g} s.",
            ),
        ] = None,
        after_source: Annotated[
            str | None,
            Query(
                max_length=63,
                pattern=NO_NUL,
                description="The id of the source that the event of `after` was sent with.",
            ),
        ] = None,
    ) -> None:
        if (after is None) != (after_source is None):
            message = (
                "after: an event is known by its message id and its source: give `after` and "
                "`after_source`, or neither."
            )
            missing = "after" if after is None else "after_source"
            raise InvalidRequestError(message, details={"parameter": missing})
        self.message_id = after
        self.source = after_source

    def key(self, workspace: str) -> tuple[str, str, str] | None:
        """(workspace, source, message id); None when no event was named."""
        if self.message_id is None or self.source is None:
            return None
        return (workspace, self.source, self.message_id)


After = Annotated[Own, Depends(Own)]


async def person(
    tx: AsyncConnection, workspace: str, profile_id: UUID
) -> tuple[reads.Person, reads.Found]:
    """The person whose profile this is, or has become; NotFoundError when there is none."""
    found = await reads.alive(tx, workspace, profile_id)
    if found is None:
        message = f"There is no profile {profile_id} in this workspace."
        raise NotFoundError(message, details={"id": str(profile_id)})
    return reads.Person(workspace, found.id), found
