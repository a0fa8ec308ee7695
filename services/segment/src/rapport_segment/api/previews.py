"""What a preview answers."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from rapport_common import clock
from rapport_segment.api.models import Hint
from rapport_segment.domain.event_needs import beyond
from rapport_segment.handlers.previewing import Previewed


class PreviewedPart(BaseModel):
    """A part of a rule, and for how many people it holds."""

    path: str
    depth: int = Field(description="0 at the root")
    text: str = Field(description="this part as one line")
    count: int
    left: int | None = Field(
        description="of a part of an `and`: how many fit it and all parts before it; else null"
    )


class PreviewedPerson(BaseModel):
    """Somebody whom a rule fits; `id` is the profile's."""

    id: UUID
    reason: str


class PreviewCount(BaseModel):
    """How many people a rule fits, of how many."""

    count: int
    of: int
    estimate: bool = Field(description="counted by a sample, since counting all took too long")
    sampled_percent: float = Field(description="of the people that were looked at; 100: all")
    parts: list[PreviewedPart] = Field(description="the whole rule first, then what it is made of")
    reach: dict[str, int] = Field(
        description="by channel, how many of them a promotion may be sent to: with a verified "
        "place, a full yes, and no objection"
    )
    people: list[PreviewedPerson] = Field(description="ten of them at most")
    hints: list[Hint]


def previewed(found: Previewed, kept: timedelta) -> dict[str, Any]:
    """A `PreviewCount`; `kept`: how long events are."""
    hints = [*found.hints, *beyond(found.rule, kept, clock.now())]
    tallied = found.tallied
    return {
        "count": tallied.fitting,
        "of": tallied.everybody,
        "estimate": found.is_estimate,
        "sampled_percent": round(found.share, 3),
        "parts": [
            {
                "path": one.part.path or "rule",
                "depth": one.part.depth,
                "text": one.part.line,
                "count": one.count,
                "left": one.left,
            }
            for one in tallied.funnel
        ],
        "reach": tallied.reach,
        "people": [{"id": one.profile_id, "reason": one.reason} for one in found.examples],
        "hints": [{"path": path, "message": message} for path, message in hints],
    }
