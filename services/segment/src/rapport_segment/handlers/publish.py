"""Changes and definitions on their way to the other services."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.scores import ProfileScores
from rapport_common.events.topics import PROFILE_SCORES, SEGMENT_DEFINITION, SEGMENT_MEMBERSHIP
from rapport_common.publisher import Publisher
from rapport_segment.domain import rules
from rapport_segment.domain.membership import Change
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.reads import reads_of
from rapport_segment.domain.sections import exact
from rapport_segment.handlers.delivering import announce
from rapport_segment.store.definitions import Stored
from rapport_segment.tables import SCHEMA

_DEFINITIONS = Publisher(SCHEMA, SEGMENT_DEFINITION)
_SCORES = Publisher(SCHEMA, PROFILE_SCORES)
_MEMBERSHIPS = Publisher(SCHEMA, SEGMENT_MEMBERSHIP)


async def publish(tx: AsyncConnection, changes: Sequence[tuple[Change, str | None]]) -> None:
    """Tell the other services, and webhooks, of (change, traceparent), in this order; not of rules
    that are not in force yet.
    """
    told = [(change.record, trace) for change, trace in changes if not change.entry.beside]
    await _MEMBERSHIPS.publish(tx, told)
    await announce(tx, [record for record, _trace in told])


async def tell_scores(tx: AsyncConnection, records: Sequence[ProfileScores]) -> None:
    """Tell the other services what people's scores are now."""
    await _SCORES.tell(tx, *records)


async def tell(tx: AsyncConnection, definitions: Sequence[Stored]) -> None:
    """Tell the other services what these segments are now."""
    records = [
        SegmentDefinition(
            workspace=one.workspace,
            segment_id=str(one.segment_id),
            version=one.version,
            name=one.name,
            at=one.updated_at,
            active=one.active,
            archived_at=one.archived_at,
            reads=_reads(one),
        )
        for one in definitions
    ]
    await _DEFINITIONS.tell(tx, *records)


def _reads(one: Stored) -> list[str] | None:
    """What a segment's rule reads; None of one that a former version kept and this can't read."""
    try:
        return reads_of(rules.parse(exact(one.rule)))
    except RuleError:
        return None
