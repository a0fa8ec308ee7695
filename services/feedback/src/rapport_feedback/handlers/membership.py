"""What `segment.membership` brings: who is to be asked since they are in a segment."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.errors import InvalidEvent
from rapport_common.events.membership import Membership
from rapport_common.kafka.batch import Record
from rapport_feedback.domain.askings import plan_entry
from rapport_feedback.handlers.planning import plan
from rapport_feedback.store import askings, occasions, reaching
from rapport_feedback.store.reaching import Stay


async def on_membership(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Note who is in which segment, and plan whom to ask; who leaves before is not asked."""
    changes: list[Membership] = [record.value for record in batch]
    for index, one in enumerate(changes):
        if "\0" in f"{one.workspace}{one.segment_id}{one.profile_id}{one.entry_id}":
            raise InvalidEvent(index, "an id has a NUL character")
    await _move(tx, changes)
    entered = [one for one in changes if one.change == "entered"]
    wanted = await askings.on_segments(tx, {(one.workspace, one.segment_id) for one in entered})
    if wanted:
        now = clock.now()
        planned = [
            occasion
            for one in entered
            for asking in wanted.get((one.workspace, one.segment_id), ())
            if (occasion := plan_entry(asking, one, now)) is not None
        ]
        await plan(tx, planned)
    exits = [(one.workspace, one.entry_id) for one in changes if one.change == "exited"]
    await occasions.leave(tx, exits)


async def _move(tx: AsyncConnection, changes: Sequence[Membership]) -> None:
    """As each was last told: records of one person are in their order."""
    last: dict[tuple[str, str, str], Membership] = {}
    exited: list[Stay] = []
    for one in changes:
        last[one.workspace, one.segment_id, one.profile_id] = one
        if one.change == "exited":
            exited.append(_stay(one))
    stays = [_stay(one) for one in last.values() if one.change == "entered"]
    await reaching.move(tx, stays, exited)


def _stay(one: Membership) -> Stay:
    return Stay(one.workspace, one.segment_id, one.profile_id, one.entry_id, one.at)
