"""Which message an entry into a segment calls for."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from rapport_campaign.domain.model import Campaign, Entry, NewMessage

OLD_AFTER = timedelta(hours=24)
OLD_EVENT = "old event"
SAME_PERSON = "same person as another entry"


def plan_entry(
    campaign: Campaign, entry: Entry, *, profile_id: str, traceparent: str | None = None
) -> NewMessage | None:
    """The message for someone who has just entered, or None when the campaign is not about them.

    `profile_id` is who the person is now, after merges. A paused campaign plans and does not
    send: a pause loses nobody.
    """
    if campaign.state == "draft" or campaign.started_at is None:
        return None
    before_start = entry.at < campaign.started_at or entry.cause == "definition"
    if before_start and not campaign.include_existing:
        return None
    too_old = is_old(entry) and not campaign.allow_old_events
    return _message(campaign, entry, profile_id, OLD_EVENT if too_old else None, traceparent)


def plan_existing(
    campaign: Campaign, entries: Iterable[tuple[Entry, str]], seen: set[str]
) -> Iterator[NewMessage]:
    """The messages for those who are in already when a campaign starts, one per person.

    `entries` come with who the person is now; `seen` collects them over several calls. Their
    events are of the past by definition, so their age does not matter.
    """
    for entry, profile_id in entries:
        reason = SAME_PERSON if profile_id in seen else None
        seen.add(profile_id)
        yield _message(campaign, entry, profile_id, reason, None)


def is_old(entry: Entry) -> bool:
    """Whether the event behind an entry happened more than 24 h before the entry."""
    return entry.event_timestamp is not None and entry.at - entry.event_timestamp > OLD_AFTER


def _message(
    campaign: Campaign,
    entry: Entry,
    profile_id: str,
    suppressed: str | None,
    traceparent: str | None,
) -> NewMessage:
    return NewMessage(
        workspace=campaign.workspace,
        kind="entry",
        purpose=campaign.purpose,
        campaign_id=campaign.campaign_id,
        occasion=entry.entry_id,
        profile_id=profile_id,
        # A version counts within one profile: after a merge it says nothing about the other.
        needed_version=entry.profile_version if profile_id == entry.profile_id else 0,
        state="suppressed" if suppressed else "planned",
        reason=suppressed,
        traceparent=traceparent,
    )
