"""Campaigns, messages and people as this service knows them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from rapport_campaign.domain.quiet_hours import Quiet
from rapport_common.events.activity import ContactPoint, Restraint
from rapport_common.events.contact import EMAIL_CHANNEL
from rapport_common.events.profile import ComputedState, ConsentState, IdentifierState

Purpose = Literal["promotion", "service", "survey"]
"""A `survey` needs no yes, and goes to nobody who has said no to it."""
Kind = Literal["entry", "request", "test", "opt_in"]
CampaignState = Literal["draft", "running", "paused", "archived"]
MessageState = Literal["planned", "sending", "sent", "failed", "suppressed", "uncertain"]

PROMOTION: Purpose = "promotion"
SERVICE: Purpose = "service"
SURVEY: Purpose = "survey"
STATES: tuple[MessageState, ...] = (
    "planned",
    "sending",
    "sent",
    "failed",
    "suppressed",
    "uncertain",
)
MessageKey = tuple[str, str]
"""(workspace, send key): a message's place in the ledger."""

USUAL_PRIORITY, MAX_PRIORITY = 50, 100
ONLY_STEP = "1"
EXPRESS = ""
"""The queue of transactional messages and test sends: no campaign can hold them up."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One message to everybody who enters a segment; once started its content never changes.

    `job`: the one that plans for those who were in the segment at the start. What it says may be
    that of a version of a template; `languages` has it in others (JSON, see `domain.templates`),
    `utm` what its links tell of where a visit comes from (JSON, see `domain.utm`). `content`: what
    it says by a channel other than e-mail, as JSON of templates by the names of their parts.
    `priority`: 0 to 100, the greater goes first. `quiet_hours` in place of the workspace's.
    `topic_purpose`: what the topic stood for when it was chosen. `broadcast_id`: it is what a
    broadcast says, or one run of it; `joins_until`: until when that is for newcomers as well.
    `amp`: the page again, as AMP for Email.
    """

    workspace: str
    campaign_id: str
    name: str
    segment_id: str
    purpose: Purpose
    from_address: str
    subject: str
    html: str
    text: str | None
    allow_old_events: bool
    include_existing: bool
    state: CampaignState
    created_at: datetime
    started_at: datetime | None = None
    archived_at: datetime | None = None
    job: str | None = None
    priority: int = USUAL_PRIORITY
    quiet_hours: Quiet | None = None
    topic: str | None = None
    topic_purpose: str | None = None
    template_id: str | None = None
    template_version: int | None = None
    languages: str = "{}"
    utm: str = "{}"
    coupon_pool: str | None = None
    channel: str = EMAIL_CHANNEL
    content: str | None = None
    broadcast_id: str | None = None
    joins_until: datetime | None = None
    amp: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One person's stay in a segment; `entry_id` belongs to this stay and no other."""

    workspace: str
    segment_id: str
    profile_id: str
    entry_id: str
    profile_version: int
    cause: Literal["event", "definition", "merge"]
    at: datetime
    event_timestamp: datetime | None = None
    historic: bool = False
    restored: bool = False
    by_time: bool = False


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A row of the ledger to be written, once for ever: `send_key` is unique.

    `due_at`: not before (None: now); `late_at`: not behind.
    """

    workspace: str
    kind: Kind
    purpose: Purpose
    campaign_id: str | None
    occasion: str
    profile_id: str
    needed_version: int = 0
    to_address: str | None = None
    state: Literal["planned", "suppressed", "uncertain"] = "planned"
    reason: str | None = None
    traceparent: str | None = None
    channel: str = EMAIL_CHANNEL
    due_at: datetime | None = None
    late_at: datetime | None = None

    @property
    def send_key(self) -> str:
        """SHA-256, hex, of what makes this send the same send."""
        return send_key(self.workspace, self.campaign_id or self.kind, self.occasion)

    @property
    def queue(self) -> str:
        """What the senders take it from: its campaign's queue, or the express one."""
        return self.campaign_id if self.kind == "entry" and self.campaign_id else EXPRESS


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due message, locked until the commit of the transaction that claims it.

    `lane`: where it has waited for a pace.
    """

    workspace: str
    send_key: str
    kind: Kind
    purpose: Purpose
    campaign_id: str | None
    occasion: str
    profile_id: str
    needed_version: int
    to_address: str | None
    attempt: int
    waits: int
    traceparent: str | None
    waited: timedelta
    channel: str = EMAIL_CHANNEL
    late_at: datetime | None = None
    lane: str | None = None

    @property
    def key(self) -> MessageKey:
        """Its place in the ledger."""
        return (self.workspace, self.send_key)


@dataclass(frozen=True, slots=True)
class Link:
    """A click target of a campaign."""

    workspace: str
    link_id: str
    campaign_id: str
    url: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a transactional message says; Liquid over `data` (a JSON object) and the profile.

    Answers go to `reply_to` (empty: to us); it goes on with the mails of these `references`.
    """

    subject: str
    html: str
    text: str | None
    data: bytes = b"{}"
    reply_to: str = ""
    references: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a person; `omitted_consent`: so many of their words are not told.

    `contact_points` are the current ones, newest first.
    """

    identifiers: list[IdentifierState]
    traits: msgspec.Raw
    computed: ComputedState
    contact_points: list[ContactPoint] = []
    consent: list[ConsentState] = []
    omitted_consent: int = 0
    restraints: list[Restraint] = []

    def values(self, kind: str) -> list[str]:
        """All identifiers of one kind, in a fixed order."""
        return sorted(one.value for one in self.identifiers if one.kind == kind)


@dataclass(frozen=True, slots=True)
class Person:
    """A profile at one version.

    Without a state it is history, merged into another or `gone`, or too little is known of it.
    """

    profile_id: str
    version: int
    state: State | None
    gone: bool = False


def send_key(workspace: str, campaign: str, occasion: str) -> str:
    """The same for the same (workspace, campaign, occasion, step, channel), for ever; hex.

    An occasion is one person's: so no merge makes a second send of it, whichever record comes
    first. SHA-256 of the parts, each behind its number of characters and a colon.
    """
    before, after = around_occasion(workspace, campaign)
    text = f"{before}{len(occasion)}:{occasion}{after}"
    return hashlib.sha256(text.encode()).hexdigest()


def around_occasion(workspace: str, campaign: str) -> tuple[str, str]:
    """What stands before and after an occasion, with its length, in what a send key is made of."""
    before, after = (workspace, campaign), (ONLY_STEP, EMAIL_CHANNEL)
    return _measured(*before), _measured(*after)


def _measured(*parts: str) -> str:
    return "".join(f"{len(part)}:{part}" for part in parts)
