"""Counting who is in several segments at once."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import sqlstate
from rapport_common.errors import UnavailableError
from rapport_segment.handlers.segments import require
from rapport_segment.store import members

OVERLAP_SECONDS = 5.0
QUERY_CANCELED = "57014"


class SlowOverlapError(UnavailableError):
    """A count that would hold a connection for too long."""

    code = "overlap_too_slow"

    def __init__(self) -> None:
        super().__init__(
            f"Counting took longer than {OVERLAP_SECONDS:g} s and was given up. Ask for fewer "
            "segments at once, or again when there is less to do."
        )


async def overlapping(
    tx: AsyncConnection, workspace: str, segment_ids: Sequence[UUID]
) -> Mapping[int, int]:
    """How many people are in which of these segments, by bits; NotFoundError for an unknown one,
    SlowOverlapError after 5 s.
    """
    for one in segment_ids:
        await require(tx, workspace, one)
    try:
        return await members.overlap(tx, workspace, segment_ids, seconds=OVERLAP_SECONDS)
    except DBAPIError as error:
        if sqlstate(error) == QUERY_CANCELED:
            raise SlowOverlapError from error
        raise
