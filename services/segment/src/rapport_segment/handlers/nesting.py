"""Segments whose rules name others: what they may rest on, and what may not go while they do."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.subjects import InSegment
from rapport_segment.domain.tree import Leaf, Rule, leaves
from rapport_segment.handlers.rulebooks import rule_of, understood
from rapport_segment.store import definitions
from rapport_segment.store.definitions import Stored

DEEPEST = 10
"""So many segments at most, one resting on the other."""


async def require_rests(tx: AsyncConnection, one: Stored) -> None:
    """RuleError if its rule names a segment that there is not, or that rests on this one; the
    workspace is seized, so none of it changes meanwhile.
    """
    named = _named(rule_of(one))
    if not named:
        return
    await require_known(tx, one.workspace, rule_of(one))
    others = await definitions.resting(tx, one.workspace)
    below: dict[UUID, list[UUID]] = {one.segment_id: [to for _leaf, to in named]}
    for other in others:
        if other.segment_id != one.segment_id:
            below.setdefault(other.segment_id, []).extend(
                to for _l, to in _named(understood(other))
            )
    for leaf, segment_id in named:
        if one.segment_id in _all_below(segment_id, below):
            raise RuleError(_at(leaf), f"goes in a circle: {segment_id} rests on this segment")
    if _height(below) > DEEPEST:
        raise RuleError(_at(named[0][0]), f"more than {DEEPEST} segments rest on one another")


async def require_known(tx: AsyncConnection, workspace: str, rule: Rule) -> None:
    """RuleError if a rule names a segment that there is not, or that is archived."""
    for leaf, segment_id in _named(rule):
        found = await definitions.find(tx, workspace, segment_id)
        if found is None or found.archived_at is not None:
            raise RuleError(_at(leaf), f"there is no segment {segment_id} that is not archived")


async def require_unused(tx: AsyncConnection, one: Stored) -> None:
    """ConflictError while the rule of another segment names this one."""
    others = await definitions.resting(tx, one.workspace)
    users = {
        str(other.segment_id): other.name
        for other in others
        if any(to == one.segment_id for _l, to in _named(understood(other)))
    }
    if users:
        names = ", ".join(map(repr, list(users.values())[:5]))
        message = (
            f"{len(users)} segments rest on {one.name!r}: {names}. Change or archive them first."
        )
        raise ConflictError(message, code="in_use", details={"used_by": list(users)[:100]})


def _named(rule: Rule | None) -> list[tuple[Leaf, UUID]]:
    return [
        (leaf, UUID(leaf.subject.id))
        for leaf in (() if rule is None else leaves(rule))
        if isinstance(leaf.subject, InSegment)
    ]


def _at(leaf: Leaf) -> str:
    return f"{leaf.path}.segment" if leaf.path else "segment"


def _all_below(start: UUID, below: Mapping[UUID, Sequence[UUID]]) -> set[UUID]:
    found, waiting = {start}, [start]
    while waiting:
        fresh = set(below.get(waiting.pop(), ())) - found
        found |= fresh
        waiting += fresh
    return found


def _height(below: Mapping[UUID, Sequence[UUID]]) -> int:
    """How many rest on one another at most; there is no circle."""
    layer, height = set(below), 0
    while layer and height <= DEEPEST:
        layer = {to for one in layer for to in below.get(one, ())}
        height += 1
    return height
