"""Which message an entry into a segment calls for."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from rapport_campaign.domain.model import Campaign, Entry, NewMessage

OLD_AFTER = timedelta(hours=24)
OLD_EVENT = "old event"
LONG_PASSED = "entered by time, long ago"
HISTORIC = "historic event"
MERGED = "entered by a merge"
RESTORED = "entered when their profile was told again"
SAME_PERSON = "same person as another entry"
BEFORE_BACKUP = "from before the database was restored from a backup"
"""What was sent between the backup and then, the ledger has forgotten: such a message is uncertain,
and nothing is sent twice.
"""


def plan_entry(
    campaign: Campaign,
    entry: Entry,
    *,
    profile_id: str,
    now: datetime,
    closed_at: datetime | None = None,
    restored_at: datetime | None = None,
    traceparent: str | None = None,
) -> NewMessage | None:
    """The message for someone who has just entered, or None when the campaign is not about them.

    `profile_id` is who the person is now, after merges; `closed_at` is when the segment was
    archived, `restored_at` when our database was restored. A paused campaign plans and does not
    send: a pause loses nobody. Of who seems to enter since records were missed nobody knows when
    they did: they get no mail, even if old events do.
    """
    if closed_at is not None and entry.at >= closed_at:
        return None
    if campaign.broadcast_id is not None:
        return _joining(campaign, entry, profile_id, restored_at, traceparent)
    if campaign.state == "draft" or campaign.started_at is None:
        return None
    before_start = entry.at < campaign.started_at or entry.cause == "definition"
    if before_start and not campaign.include_existing:
        return None
    if entry.restored:
        return _message(campaign, entry, profile_id, RESTORED, traceparent)
    if happened_before(entry.event_timestamp or entry.at, restored_at):
        return _message(campaign, entry, profile_id, BEFORE_BACKUP, traceparent)
    stale = None if campaign.allow_old_events else old_news(entry, now)
    return _message(campaign, entry, profile_id, stale, traceparent)


def _joining(
    campaign: Campaign,
    entry: Entry,
    profile_id: str,
    restored_at: datetime | None,
    traceparent: str | None,
) -> NewMessage | None:
    """The message of a broadcast's run to somebody of whom it is told that they are in its segment.

    Who was in it at its instant gets it, however late that is told; who came later does if the
    broadcast is for them, too.
    """
    began, until = campaign.started_at, campaign.joins_until
    if began is None or entry.cause == "merge":
        return None
    if entry.at > began and (until is None or entry.at >= until):
        return None
    lost = BEFORE_BACKUP if happened_before(began, restored_at) else None
    found = _message(campaign, entry, profile_id, lost, traceparent)
    # Whoever came later has an instant of their own, behind which it may be too late.
    return replace(found, occasion=profile_id, due_at=entry.at if entry.at > began else None)


def plan_existing(
    campaign: Campaign,
    entries: Iterable[tuple[Entry, str]],
    again: Collection[str],
    restored_at: datetime | None = None,
) -> Iterator[NewMessage]:
    """The messages for those who are in already when a campaign starts, one per person.

    `entries` come with who the person is now; `again` are the ids of those whose person has
    another one that counts. Their events are of the past by definition, so their age does not
    matter; but of a campaign that was started before `restored_at` nobody knows who had it.
    """
    lost = is_forgotten(campaign, restored_at)
    for entry, profile_id in entries:
        reason = SAME_PERSON if entry.entry_id in again else BEFORE_BACKUP if lost else None
        yield _message(campaign, entry, profile_id, reason, None)


def is_forgotten(campaign: Campaign, restored_at: datetime | None) -> bool:
    """Whether a campaign was started before our database was restored."""
    return campaign.started_at is not None and happened_before(campaign.started_at, restored_at)


def happened_before(at: datetime, restored_at: datetime | None) -> bool:
    """Whether something may have been answered by a mail that the ledger has forgotten."""
    return restored_at is not None and at < restored_at


def state_for(reason: str | None) -> Literal["planned", "suppressed", "uncertain"]:
    """What a message is from the start: planned, unless there is a reason against it."""
    if reason is None:
        return "planned"
    return "uncertain" if reason == BEFORE_BACKUP else "suppressed"


def old_news(entry: Entry, now: datetime) -> str | None:
    """Why an entry tells of the past, of which nobody is written to; None when it is news.

    Two profiles becoming one is no act of the person. An import is the past whatever its rows
    say, also when they have no time. Else it is the age of the event: 24 h. Where nothing has
    happened but that time passed, `at` is that instant however late it was looked at: its age is
    counted until now.
    """
    if entry.historic:
        return HISTORIC
    if entry.cause == "merge":
        return MERGED
    if entry.by_time and now - entry.at > OLD_AFTER:
        return LONG_PASSED
    if entry.event_timestamp is not None and entry.at - entry.event_timestamp > OLD_AFTER:
        return OLD_EVENT
    return None


def _message(
    campaign: Campaign,
    entry: Entry,
    profile_id: str,
    reason: str | None,
    traceparent: str | None,
) -> NewMessage:
    return NewMessage(
        workspace=campaign.workspace,
        kind="entry",
        purpose=campaign.purpose,
        channel=campaign.channel,
        campaign_id=campaign.campaign_id,
        occasion=entry.entry_id,
        profile_id=profile_id,
        # A version counts within one profile: after a merge it says nothing about the other.
        needed_version=entry.profile_version if profile_id == entry.profile_id else 0,
        state=state_for(reason),
        reason=reason,
        traceparent=traceparent,
    )
