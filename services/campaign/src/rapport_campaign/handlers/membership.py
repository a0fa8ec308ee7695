"""What `segment.membership` brings: entries into segments, and what each calls for."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Entry
from rapport_campaign.domain.planning import plan_entry
from rapport_campaign.domain.storable import require_storable
from rapport_campaign.handlers.ledger import count, write_plan
from rapport_campaign.handlers.reaching import first_times
from rapport_campaign.store import campaigns, locks, people, segments
from rapport_common.clock import now
from rapport_common.events.membership import Membership
from rapport_common.kafka.batch import Record

Change = tuple[Entry, bool, str | None]
"""An entry, whether it has ended, and the trace of the record that says so."""


async def on_membership(
    batch: Sequence[Record], tx: AsyncConnection, *, restored_at: datetime | None = None
) -> None:
    """Note who is in which segment, and plan what each entry calls for."""
    changes = [_change(index, record) for index, record in enumerate(batch)]
    concerned = {(entry.workspace, entry.segment_id) for entry, _, _ in changes}
    await locks.share_segments(tx, concerned)
    await people.stays(tx, [(entry, entry.at if ended else None) for entry, ended, _ in changes])
    started = await campaigns.on_segments(tx, concerned)
    if started:
        entered = [(entry, trace) for entry, ended, trace in changes if not ended]
        now_ids = await people.resolve(tx, [(one.workspace, one.profile_id) for one, _ in entered])
        known = await segments.find(tx, started)
        closed = {key: one.archived_at for key, one in known.items()}
        planned = [
            plan_entry(
                campaign,
                entry,
                profile_id=now_ids[entry.workspace, entry.profile_id],
                now=now(),
                closed_at=closed.get((entry.workspace, entry.segment_id)),
                restored_at=restored_at,
                traceparent=trace,
            )
            for entry, trace in entered
            for campaign in started.get((entry.workspace, entry.segment_id), [])
        ]
        new = await write_plan(tx, await first_times(tx, planned, started))
        await count(tx, new)


def _change(index: int, record: Record) -> Change:
    one: Membership = record.value
    require_storable(index, one.workspace, one.segment_id, one.profile_id, one.entry_id)
    entry = Entry(
        workspace=one.workspace,
        segment_id=one.segment_id,
        profile_id=one.profile_id,
        entry_id=one.entry_id,
        profile_version=one.profile_version,
        cause=one.cause,
        at=one.at,
        event_timestamp=one.event_timestamp,
        historic=one.historic,
        restored=one.restored,
        by_time=one.by_time,
    )
    return entry, one.change == "exited", record.traceparent
