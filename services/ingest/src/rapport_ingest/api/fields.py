"""The kinds of parameters that the operator routes share, and who may call them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, Field, StringConstraints

from rapport_common.auth import Operator, operator

MAX_RATE = 100_000
NO_NUL = r"^[^\x00]*$"  # Postgres has no way to store one


def _utc(moment: datetime) -> datetime:
    """In UTC; a time without an offset is UTC. ValueError outside the years that can be kept."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        message = "not a time that can be searched for"
        raise ValueError(message) from error


Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=NO_NUL)
]
Word = Annotated[str, StringConstraints(max_length=512, pattern=NO_NUL)]
Moment = Annotated[datetime, AfterValidator(_utc)]
Rate = Annotated[int, Field(ge=1, le=MAX_RATE, description="Events per second at most.")]
Text = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
MessageId = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]
SourceId = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]
Writer = Annotated[Operator, Depends(operator("sources:write"))]
Looker = Annotated[Operator, Depends(operator("sources:read", "sources:write"))]
Reader = Annotated[Operator, Depends(operator("events:read"))]
Ops = Annotated[Operator, Depends(operator("ops"))]
