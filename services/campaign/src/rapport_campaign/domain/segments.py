"""What campaigns know of segments, and what to say where one is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from rapport_campaign.domain.model import CampaignState

SHOWN = 3
LIKE = 0.5
"""How alike two texts are to be taken for slips of each other, of 0 to 1."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it is now; an archived one stays so.

    `reads`: what its rule reads, as its definition tells it; None: it does not.
    """

    workspace: str
    segment_id: str
    version: int
    name: str
    active: bool
    changed_at: datetime
    archived_at: datetime | None = None
    reads: tuple[str, ...] | None = None


def nearest(wanted: str, segments: Sequence[Segment]) -> list[Segment]:
    """The at most 3 segments whose name or id is most like `wanted`; else the first ones."""
    by_text: dict[str, Segment] = {}
    for one in segments:
        for text in (one.name.lower(), one.segment_id):
            by_text.setdefault(text, one)
    alike = get_close_matches(wanted.lower(), list(by_text), n=2 * SHOWN, cutoff=LIKE)
    found = list({by_text[text].segment_id: by_text[text] for text in alike}.values())
    return (found or list(segments))[:SHOWN]


def refusal(wanted: str, segment: Segment | None, known: Sequence[Segment]) -> str | None:
    """Why a campaign can't be on the segment, and what to do; None when it can.

    `known` are living segments that may have been meant.
    """
    if segment is not None and segment.archived_at is None:
        return None
    if segment is not None:
        wrong = f"segment {segment.name!r} ({wanted}) is archived: nobody enters it any more"
    else:
        wrong = f"there is no segment {wanted!r} in this workspace"
    if not known:
        return f"{wrong}. Make one first, with POST /v1/segments or `rapport segment create`."
    shown = ", ".join(f"{one.name!r} ({one.segment_id})" for one in known)
    return f"{wrong}. Give the id of one that there is, such as {shown}."


def idle_reason(state: CampaignState, wanted: str, segment: Segment | None) -> str | None:
    """Why nobody comes to a campaign by its segment; None when there is no such reason."""
    if state == "archived":
        return None
    if segment is None:
        return f"There is no segment {wanted}: nobody enters it. Archive this campaign."
    if segment.archived_at is not None:
        return (
            f"Segment {segment.name!r} is archived: nobody enters it any more. What was planned "
            "before is sent; make a campaign on another segment, and archive this one."
        )
    if not segment.active:
        return f"Segment {segment.name!r} is not active: nobody enters it until it is again."
    return None
