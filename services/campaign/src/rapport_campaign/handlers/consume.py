"""What the topics bring: people, entries into segments, wishes for a single message."""

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain.model import SERVICE, Content, Entry, NewMessage
from rapport_campaign.domain.permission import objections_of
from rapport_campaign.domain.planning import plan_entry
from rapport_campaign.domain.segments import Segment
from rapport_campaign.store import campaigns, locks, objections, people, segments
from rapport_campaign.store.objections import Said
from rapport_campaign.store.people import FOLLOWER
from rapport_campaign.store.segments import SegmentKey
from rapport_campaign.tables import SCHEMA
from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.contact import EMAIL_CHANNEL
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.membership import Membership
from rapport_common.events.message import MessageRequest
from rapport_common.follower.domain import Following, Key, Overlaid, Step
from rapport_common.kafka.batch import Record
from rapport_common.kafka.store import add_tallies

PLANNED_TALLY = "messages_planned"


async def on_activity(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Keep the newest of each section of each profile, and what became of ids."""
    for index, record in enumerate(batch):
        _require_object(index, record.value)
    steps = [step for step, _record in FOLLOWER.read(batch)]
    following = (await FOLLOWER.load(tx, steps)).following
    said: dict[Key, Said] = {}
    for step in steps:
        said |= _objected(following, step)
    await FOLLOWER.save(tx, following, people.kept)
    new = await objections.replace(tx, said)
    await locks.own_addresses(tx, new)


def _objected(following: Following, step: Step) -> dict[Key, Said]:
    """What profiles say no to by this record, so that the address is heard whoever else has it.

    A merged profile's words stay until its heir's state has them.
    """
    said: dict[Key, Said] = {}
    for turn in following.apply(step):
        if isinstance(turn, Overlaid):
            if people.CONSENT in turn.taken:
                said[turn.key] = objections_of(step.record.consent or ())
        elif turn.survivor is None:
            said[turn.key] = {}
    absorbed = step.ends if step.versions is not None else ()
    return said | {one.key: {} for one in absorbed if not following.held[one.key].lives}


async def on_membership(batch: Sequence[Record], tx: AsyncConnection) -> None:
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
                closed_at=closed.get((entry.workspace, entry.segment_id)),
                traceparent=trace,
            )
            for entry, trace in entered
            for campaign in started.get((entry.workspace, entry.segment_id), [])
        ]
        new = await write_plan(tx, [one for one in planned if one is not None])
        await count_planned(tx, len(new))


async def on_definition(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Keep the newest definition of each segment."""
    newest: dict[SegmentKey, Segment] = {}
    for index, record in enumerate(batch):
        one: SegmentDefinition = record.value
        _require_text(index, one.workspace, one.segment_id, one.name)
        key = (one.workspace, one.segment_id)
        if key not in newest or newest[key].version < one.version:
            newest[key] = Segment(*key, one.version, one.name, one.active, one.at, one.archived_at)
    await segments.save(tx, newest)


async def on_requests(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Plan transactional messages, one per request id."""
    requests: list[tuple[MessageRequest, str | None]] = []
    for index, record in enumerate(batch):
        request: MessageRequest = record.value
        _require_text(index, *msgspec.structs.asdict(request).values())
        requests.append((request, record.traceparent))
    now_ids = await people.resolve(tx, [(one.workspace, one.profile_id) for one, _ in requests])
    wanted = {
        (message.workspace, message.send_key): (message, content)
        for message, content in (_requested(*one, now_ids) for one in requests)
    }
    new = await write_plan(tx, [message for message, _ in wanted.values()])
    await count_planned(tx, len(new))
    contents = {key: content for key, (_, content) in wanted.items() if key in new}
    await campaigns.add_content(tx, contents)


async def write_plan(tx: AsyncConnection, messages: Sequence[NewMessage]) -> set[tuple[str, str]]:
    """Write new rows of the ledger; the (workspace, send key) of each. Count them at the end."""
    rows = await campaigns.plan(tx, messages)
    for row in rows:
        metrics.MESSAGES.labels(EMAIL_CHANNEL, row.state).inc()
        if row.state == "suppressed":
            metrics.SUPPRESSED.labels(row.reason).inc()
    return {(row.workspace, row.send_key) for row in rows}


async def count_planned(tx: AsyncConnection, number: int) -> None:
    """Move the ledger's left side; last in a transaction, since all planners share this row."""
    await add_tallies(tx, SCHEMA, {PLANNED_TALLY: number})


Change = tuple[Entry, bool, str | None]
"""An entry, whether it has ended, and the trace of the record that says so."""


def _change(index: int, record: Record) -> Change:
    one: Membership = record.value
    _require_text(index, one.workspace, one.segment_id, one.profile_id, one.entry_id)
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
    )
    return entry, one.change == "exited", record.traceparent


def _requested(
    request: MessageRequest, traceparent: str | None, now_ids: dict[Key, str]
) -> tuple[NewMessage, Content]:
    message = NewMessage(
        workspace=request.workspace,
        kind="request",
        purpose=SERVICE,
        campaign_id=None,
        occasion=request.request_id,
        profile_id=now_ids[request.workspace, request.profile_id],
        to_address=request.to,
        traceparent=traceparent,
    )
    data = bytes(request.data)
    return message, Content(request.subject, request.html, request.text or None, data)


def _require_object(index: int, activity: ProfileActivity) -> None:
    if activity.traits is not None and not bytes(activity.traits).lstrip().startswith(b"{"):
        raise InvalidEvent(index, "the traits are not a JSON object")


def _require_text(index: int, *values: object) -> None:
    """Postgres has no NUL character in texts: a record with one can never be stored."""
    if any(isinstance(one, str) and "\0" in one for one in values):
        raise InvalidEvent(index, "a text has a NUL character")
