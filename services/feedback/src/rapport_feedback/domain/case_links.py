"""What cases have to do with each other, beside being the same."""

from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

MOST_LINKS = 100


class Link(StrEnum):
    """How a case is linked to the other."""

    RELATED = "related"
    CAUSED_BY = "caused_by"
    CHILD_OF = "child_of"


class Way(StrEnum):
    """The same as it is read from either side."""

    RELATED = "related"
    CAUSED_BY = "caused_by"
    CAUSES = "causes"
    CHILD_OF = "child_of"
    PARENT_OF = "parent_of"


_BACK = {Link.RELATED: Way.RELATED, Link.CAUSED_BY: Way.CAUSES, Link.CHILD_OF: Way.PARENT_OF}


def way_of(kind: Link, *, back: bool) -> Way:
    """How a link reads from the case it begins at, or (back) from the other."""
    return _BACK[kind] if back else Way(kind)


def ends(case_id: UUID, other_id: UUID, kind: Link) -> tuple[UUID, UUID]:
    """From where to where a link is kept: one that reads alike from both sides is kept once."""
    if kind is Link.RELATED and str(other_id) < str(case_id):
        return other_id, case_id
    return case_id, other_id


def is_circle(case_id: UUID, other_id: UUID, above_other: Collection[UUID]) -> bool:
    """Whether a case would be above or before itself; `above_other`: all above the other one."""
    return case_id == other_id or case_id in above_other
