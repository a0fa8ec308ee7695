"""What a preview answers."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from rapport_common import clock
from rapport_segment.api.models import Hint
from rapport_segment.domain.event_needs import beyond
from rapport_segment.handlers.previewing import Previewed


class PreviewedPart(BaseModel):
    """A part of a rule, and for how many people it holds; null where nobody could be judged."""

    path: str
    depth: int = Field(description="0 at the root")
    text: str = Field(description="this part as one line")
    count: int | None
    left: int | None = Field(
        description="of a part of an `and`: how many fit it and all parts before it; else null"
    )


class PreviewedPerson(BaseModel):
    """Somebody whom a rule fits; `id` is the profile's."""

    id: UUID
    reason: str


class PreviewInterval(BaseModel):
    """Between which numbers the true count lies with 95 %."""

    low: int = Field(examples=[36_318])
    high: int = Field(examples=[44_009])


class PreviewCount(BaseModel):
    """How many people a rule fits, of how many."""

    count: int | None = Field(
        description="null if nobody could be judged in time", examples=[39_980]
    )
    of: int | None = Field(
        description="null if there was no time to find out, either", examples=[1_000_000]
    )
    estimate: bool = Field(
        description="by people drawn by chance: counting all took too long", examples=[True]
    )
    sampled: int = Field(description="how many people were looked at", examples=[10_000])
    sampled_percent: float = Field(description="that is so much of all; 100: all", examples=[1.0])
    interval: PreviewInterval | None = Field(
        description="of an estimate: in what the count lies with 95 % (Wilson's score interval)"
    )
    parts: list[PreviewedPart] = Field(description="the whole rule first, then what it is made of")
    reach: dict[str, int | None] = Field(
        description="by channel, how many of them a promotion may be sent to: with a verified "
        "place, a full yes, and no objection"
    )
    people: list[PreviewedPerson] = Field(description="ten of them at most")
    hints: list[Hint]


def previewed(found: Previewed, kept: timedelta) -> dict[str, Any]:
    """A `PreviewCount`; `kept`: how long events are."""
    hints = [*found.hints, *beyond(found.rule, kept, clock.now())]
    tallied = found.tallied
    # Of nobody nothing follows, also not that it is 0.
    is_known = not found.is_estimate or found.sampled > 0
    return {
        "count": tallied.fitting if is_known else None,
        "of": found.everybody,
        "estimate": found.is_estimate,
        "sampled": found.sampled,
        "sampled_percent": _percent(found),
        "interval": found.interval and asdict(found.interval),
        "parts": [
            {
                "path": one.part.path or "rule",
                "depth": one.part.depth,
                "text": one.part.line,
                "count": one.count if is_known else None,
                "left": one.left if is_known else None,
            }
            for one in tallied.funnel
        ],
        "reach": {name: one if is_known else None for name, one in tallied.reach.items()},
        "people": [{"id": one.profile_id, "reason": one.reason} for one in found.examples],
        "hints": [{"path": path, "message": message} for path, message in hints],
    }


def _percent(found: Previewed) -> float:
    if not found.is_estimate:
        return 100.0
    return round(100 * found.sampled / found.everybody, 3) if found.everybody else 0.0
