"""Standing orders to ask people: who, after what, how long after, and how many of them."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct, field

from rapport_common.events.envelope import Event
from rapport_common.events.membership import Membership
from rapport_feedback.domain.questions import Texts
from rapport_feedback.domain.survey_forms import DIMENSIONS, MAX_DIMENSION

OLD_AFTER = timedelta(hours=24)
"""What happened longer ago is no news: imports ask nobody."""

MAX_MINUTES = 366 * 24 * 60
Channel = Literal["email", "sms"]
Value = str | int | float | bool


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on a property of the event; one that is not there fulfils `ne` alone."""

    property: Annotated[str, Meta(min_length=1, max_length=100)]
    op: Literal["eq", "ne", "in", "gte", "lte"]
    value: Value | Annotated[list[Value], Meta(min_length=1, max_length=100)]


class AskingDocument(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """After what people are asked (entering a segment, or an event), and how."""

    segment_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    include_existing: bool = False
    repeat_days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    event: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    where: Annotated[list[Filter], Meta(max_length=20)] = []
    allow_old_events: bool = False
    delay_minutes: Annotated[int, Meta(ge=0, le=MAX_MINUTES)] = 0
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    daily_quota: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    channels: Annotated[list[Channel], Meta(min_length=1, max_length=2)] = field(
        default_factory=lambda: ["email"]
    )
    reminders: Annotated[list[Annotated[int, Meta(ge=1, le=365)]], Meta(max_length=3)] = []
    expires_days: Annotated[int, Meta(ge=1, le=365)] = 30
    when_closed: Literal["skip", "wait"] = "skip"
    subject: Texts | None = None
    intro: Texts | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A standing order as it is kept; `quota` is (day, asked on it)."""

    workspace: str
    asking_id: UUID
    survey_id: UUID
    name: str
    document: AskingDocument
    created_at: datetime
    changed_at: datetime
    actor: str = ""
    archived_at: datetime | None = None
    quota: tuple[str, int] = ("", 0)


class State(StrEnum):
    """How far an occasion is."""

    PLANNED = "planned"
    ASKED = "asked"
    REMINDED = "reminded"
    ANSWERED = "answered"
    NOT_ASKED = "not_asked"


class Reason(StrEnum):
    """Why somebody is not asked, or not yet; beside the clocks of the contact policy."""

    SAMPLE = "not in the sample"
    OLD = "old event"
    MERGED = "entered by a merge"
    LEFT = "left the segment"
    ARCHIVED = "archived"
    RESTRICTED = "restricted"
    UNKNOWN = "profile unknown"
    NO_NAME = "no identifier"
    NO_ADDRESS = "no address"
    ANSWERED = "answered already"
    QUOTA = "quota of the day"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why one person is asked once; known by (workspace, asking, `occasion`), for ever.

    `next_at`: when something is to be done about it; `due_at`: when they were to be asked.
    """

    workspace: str
    asking_id: UUID
    occasion: str
    profile_id: str
    state: State
    planned_at: datetime
    due_at: datetime
    next_at: datetime | None
    reason: str | None = None
    opens_at: datetime | None = None
    entry_id: str | None = None
    context: Mapping[str, str] = made(default_factory=dict)
    invitation_id: UUID | None = None
    channel: str | None = None
    asked_at: datetime | None = None
    reminders: int = 0
    answered_at: datetime | None = None


def problems(told: AskingDocument) -> list[tuple[str, str]]:
    """(path, what is wrong) of what its shape does not say."""
    found: list[tuple[str, str]] = []
    if (told.segment_id is None) == (told.event is None):
        found.append(("segment_id", "give either segment_id or event: after what they are asked"))
    if told.event is None and (told.where or told.allow_old_events):
        found.append(("where", "where and allow_old_events are about an event"))
    if told.segment_id is None and (told.include_existing or told.repeat_days):
        found.append(("repeat_days", "include_existing and repeat_days are about a segment"))
    if sorted(set(told.reminders)) != told.reminders:
        found.append(("reminders", "days after the invitation, each later than the one before"))
    elif told.reminders and told.reminders[-1] >= told.expires_days:
        found.append(("reminders", "come before the link ends: expires_days"))
    if len(set(told.channels)) != len(told.channels):
        found.append(("channels", "names each channel once"))
    for at, one in enumerate(told.where):
        if isinstance(one.value, list) != (one.op == "in"):
            found.append((f"where[{at}].value", "a list for `in`, one value for the others"))
        elif one.op in {"gte", "lte"} and not _is_number(one.value):
            found.append((f"where[{at}].value", "a number for gte and lte"))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def matches(filters: Sequence[Filter], properties: Mapping[str, Any]) -> bool:
    """Whether the properties of an event are as all filters say."""
    return all(_holds(one, properties.get(one.property)) for one in filters)


def _holds(one: Filter, value: object) -> bool:
    if one.op == "in":
        return isinstance(one.value, list) and any(_same(each, value) for each in one.value)
    if one.op in {"eq", "ne"}:
        return _same(one.value, value) == (one.op == "eq")
    if not _is_number(value) or not _is_number(one.value):
        return False
    assert isinstance(value, int | float)  # noqa: S101 - as `_is_number` says
    assert isinstance(one.value, int | float)  # noqa: S101
    return value >= one.value if one.op == "gte" else value <= one.value


def _same(one: object, other: object) -> bool:
    """Equal, and of one kind: JSON's true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def in_share(asking_id: UUID, profile_id: str, share: float) -> bool:
    """Whether a person is in a sample: always the same, and in each greater sample, too."""
    digest = hashlib.sha256(asking_id.bytes + profile_id.encode()).digest()
    return int.from_bytes(digest[:7], "big") < share * 2**56


def plan_event(asking: Asking, profile_id: str, event: Event, now: datetime) -> Occasion | None:
    """What an event calls for; None when it is not such a one.

    A clock that is ahead makes nobody wait longer: an event is no later than its receipt.
    """
    told = asking.document
    if event.name != told.event or event.timestamp < asking.created_at - OLD_AFTER:
        return None
    properties = msgspec.json.decode(event.properties) if told.where else {}
    if not matches(told.where, properties):
        return None
    at = min(event.timestamp, event.received_at, now)
    is_old = not told.allow_old_events and (event.historic or now - at > OLD_AFTER)
    context = _context(event)
    return _planned(
        asking,
        profile_id,
        occasion=f"{event.source}/{event.message_id}",
        at=at,
        now=now,
        reason=Reason.OLD if is_old else None,
        context=context,
    )


def _context(event: Event) -> dict[str, str]:
    """By what the answer counts: properties that are called like a dimension of scores."""
    told = msgspec.json.decode(event.properties)
    found = {name: _dimension(told.get(name)) for name in DIMENSIONS}
    return {name: value for name, value in found.items() if 0 < len(value) <= MAX_DIMENSION}


def _dimension(value: object) -> str:
    """As one group is spelled, whoever sent it: numbers of shops are texts; else empty."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, str) and not is_number:
        return ""
    return unicodedata.normalize("NFC", str(value)).strip()


def plan_entry(asking: Asking, entry: Membership, now: datetime) -> Occasion | None:
    """What an entry into a segment calls for; None for who was in it before, or never left.

    Of a segment that is made, changed or counted anew everybody seems to enter: they were there
    before, and are asked only where the order includes them.
    """
    told = asking.document
    was_in = entry.cause == "definition" or entry.restored or entry.at < asking.created_at
    if was_in and not (told.include_existing and not entry.restored):
        return None
    reason = None
    if entry.cause == "merge":
        reason = Reason.MERGED
    elif not was_in and _is_history(entry, now):
        reason = Reason.OLD
    return _planned(
        asking,
        entry.profile_id,
        occasion=entry.entry_id,
        at=now if was_in else min(entry.at, now),
        now=now,
        reason=reason,
        entry_id=entry.entry_id,
    )


def _is_history(entry: Membership, now: datetime) -> bool:
    happened = entry.at if entry.event_timestamp is None else entry.event_timestamp
    late = now - entry.at if entry.by_time else entry.at - happened
    return entry.historic or late > OLD_AFTER


def plan_again(
    asking: Asking, profile_id: str, entry_id: str, wave: int, now: datetime
) -> Occasion:
    """What somebody who is in the segment is asked again, or for the first time (`wave` 0)."""
    occasion = f"{entry_id}#{wave}" if wave else entry_id
    return _planned(
        asking, profile_id, occasion=occasion, at=now, now=now, reason=None, entry_id=entry_id
    )


def _planned(
    asking: Asking,
    profile_id: str,
    *,
    occasion: str,
    at: datetime,
    now: datetime,
    reason: Reason | None,
    entry_id: str | None = None,
    context: Mapping[str, str] | None = None,
) -> Occasion:
    if reason is None and not in_share(asking.asking_id, profile_id, asking.document.share):
        reason = Reason.SAMPLE
    due_at = at + timedelta(minutes=asking.document.delay_minutes)
    return Occasion(
        workspace=asking.workspace,
        asking_id=asking.asking_id,
        occasion=occasion,
        profile_id=profile_id,
        state=State.PLANNED if reason is None else State.NOT_ASKED,
        planned_at=now,
        due_at=due_at,
        next_at=due_at if reason is None else None,
        reason=reason,
        entry_id=entry_id,
        context=context or {},
    )


def reminder_at(asking: Asking, asked_at: datetime, sent: int) -> datetime | None:
    """When the next reminder goes out, after so many; None when none does."""
    days = asking.document.reminders
    return asked_at + timedelta(days=days[sent]) if sent < len(days) else None


def room(asking: Asking, now: datetime) -> int | None:
    """How many more may be asked today (UTC); None: any number."""
    quota = asking.document.daily_quota
    if quota is None:
        return None
    day, used = asking.quota
    return max(0, quota - (used if day == day_of(now) else 0))


def day_of(now: datetime) -> str:
    """The day (UTC) whose quota an instant counts in."""
    return now.astimezone(UTC).date().isoformat()


def tomorrow(now: datetime) -> datetime:
    """When the next day's quota begins."""
    day = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(day, time(), UTC)
