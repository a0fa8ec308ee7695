"""Follows `profile.activity`: which identifiers are the same person."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidEvent
from rapport_common.kafka.batch import Record
from rapport_common.kafka.store import add_tallies
from rapport_feedback import metrics
from rapport_feedback.domain import people
from rapport_feedback.domain.people import ProfileKey, Snapshot
from rapport_feedback.store import people as store
from rapport_feedback.store.people import Claim
from rapport_feedback.tables import SCHEMA


async def on_activity(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Apply the newest snapshot of each profile in the batch; older ones change nothing."""
    for index, record in enumerate(batch):
        reason = people.unstorable(record.value)
        if reason is not None:
            raise InvalidEvent(index, reason)
    latest = people.newest(filter(None, (people.snapshot(record.value) for record in batch)))
    applied = await store.apply(tx, list(latest.values())) if latest else set()
    await _claim(tx, {key: latest[key] for key in applied})
    await add_tallies(tx, SCHEMA, {"activity_records": len(batch), "snapshots": len(applied)})
    metrics.PROFILES.labels("applied").inc(len(applied))
    metrics.PROFILES.labels("stale").inc(len(latest) - len(applied))


async def _claim(tx: AsyncConnection, snapshots: dict[ProfileKey, Snapshot]) -> None:
    """Make the stored identifiers those of the snapshots; most snapshots change none."""
    if not snapshots:
        return
    known = await store.claims(tx, snapshots)
    wanted: set[Claim] = {
        (one.workspace, kind, value, one.profile_id)
        for one in snapshots.values()
        for kind, value in one.identifiers
    }
    await store.remove_claims(tx, known - wanted)
    await store.add_claims(tx, wanted - known)
