"""What is answered about what a segment was: versions against each other, and sizes by day."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from rapport_segment.api.models import TEXT, line_of
from rapport_segment.domain.differing import difference
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import exact
from rapport_segment.store.definitions import MAX_VERSION
from rapport_segment.store.flows import Size


class DaySize(BaseModel):
    """A day of UTC: how many were in at its end, and how many entered and left on it."""

    day: date
    size: int
    entered: int
    exited: int


class Sizes(BaseModel):
    """How many were in a segment, day by day."""

    segment_id: UUID
    days: list[DaySize]


def sizes(segment_id: UUID, found: Sequence[Size]) -> dict[str, Any]:
    """A `Sizes`."""
    days = [
        {"day": one.day, "size": one.size, "entered": one.entered, "exited": one.exited}
        for one in found
    ]
    return {"segment_id": segment_id, "days": days}


class Rollback(BaseModel):
    """Which version's rule a segment shall have again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 1}]})

    version: int = Field(ge=1, le=MAX_VERSION)


class VersionDifference(BaseModel):
    """What is otherwise in `version` than in `against`.

    Where `removed` and `added` are empty and the texts differ, the same comparisons are joined
    otherwise.
    """

    segment_id: UUID
    version: int
    against: int
    name: str
    name_against: str
    active: bool
    active_against: bool
    text: str = TEXT
    text_against: str = TEXT
    removed: list[str] = Field(description="comparisons that only `against` has, each as a line")
    added: list[str] = Field(description="comparisons that only `version` has")


def version_difference(
    segment_id: UUID, against: dict[str, Any], one: dict[str, Any]
) -> dict[str, Any]:
    """A `VersionDifference`."""
    found = difference(parse(exact(against["rule"])), parse(exact(one["rule"])))
    return {
        "segment_id": segment_id,
        "version": one["version"],
        "against": against["version"],
        "name": one["name"],
        "name_against": against["name"],
        "active": one["active"],
        "active_against": against["active"],
        "text": line_of(one["rule"]),
        "text_against": line_of(against["rule"]),
        "removed": found.removed,
        "added": found.added,
    }
