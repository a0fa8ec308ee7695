"""What operators send and get, with the limits that make a request valid."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from rapport_campaign.api.contact_rules import WindowBody, shown_windows, windows_of
from rapport_campaign.api.contents import ContentBody
from rapport_campaign.domain.addresses import envelope_address, sender_address
from rapport_campaign.domain.coupons import NAME
from rapport_campaign.domain.model import (
    MAX_PRIORITY,
    USUAL_PRIORITY,
    Campaign,
    CampaignState,
    MessageState,
    Purpose,
)
from rapport_campaign.domain.quiet_hours import MAX_WINDOWS
from rapport_campaign.domain.segments import Segment, idle_reason
from rapport_campaign.domain.sender_domains import domain_name
from rapport_campaign.domain.templates import languages_of
from rapport_campaign.render.templates import MAX_SOURCE
from rapport_campaign.store.coupons import Given
from rapport_common.events.contact import normal_email
from rapport_common.operator.models import Ledger
from rapport_common.operator.texts import StorableText


def _one_line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise PydanticCustomError("one_line", "must be one line of visible text")
    return text.strip()


def _sender(text: str) -> str:
    try:
        return sender_address(text)
    except ValueError as error:
        message = "must be one address such as `Shop <hello@example.com>`"
        raise PydanticCustomError("sender", message) from error


def _recipient(text: str) -> str:
    address = normal_email(text)
    if envelope_address(address) is None:
        raise PydanticCustomError("recipient", "must be one address such as `ada@example.com`")
    return address


def _segment(text: str) -> str:
    """An id in its one spelling; what is none is left for the answer that names what there is."""
    try:
        return str(UUID(text))
    except ValueError:
        return _one_line(text)


def _pool(text: str) -> str:
    if not NAME.fullmatch(text):
        message = "must be a name of a-z, 0-9, '_' and '-', such as `summer`"
        raise PydanticCustomError("coupon_pool", message)
    return text


SegmentId = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_segment)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Template = Annotated[StorableText, Field(min_length=1, max_length=MAX_SOURCE)]
Subject = Annotated[Template, Field(max_length=1000)]
Sender = Annotated[str, Field(max_length=320), AfterValidator(_sender)]
CampaignChannel = Literal[
    "email", "sms", "push", "web_push", "wechat", "whatsapp", "webhook", "inbox"
]
Priority = Annotated[int, Field(ge=0, le=MAX_PRIORITY, strict=True)]
Windows = Annotated[list[WindowBody], Field(max_length=MAX_WINDOWS)]
PoolName = Annotated[str, Field(max_length=63), AfterValidator(_pool)]
_CAMPAIGN: JsonDict = {
    "name": "Thanks",
    "segment_id": "0190a5b0-0000-7000-8000-000000000001",
    "purpose": "promotion",
    "from_address": "Shop <hello@shop.example.com>",
    "subject": "Thank you",
    "html": "<p>Your code: {{ coupon.code }}</p>",
    "utm": {"source": "newsletter", "domains": ["shop.example.com"]},
    "coupon_pool": "summer",
}
_CAN_GO = {"text", "template_id", "utm", "coupon_pool", "quiet_hours", "topic"}
_ALLOWING: JsonDict = {"promotion_without_consent": True}
Recipient = Annotated[str, Field(max_length=320), AfterValidator(_recipient)]


def _domains(names: list[str]) -> list[str]:
    try:
        return sorted({domain_name(name) for name in names})
    except ValueError as error:
        raise PydanticCustomError("domain", str(error)) from error


UtmText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]


class UtmBody(BaseModel):
    """What links tell of where a visit comes from: `utm_source` and so on.

    They are put on links of `domains` and of what is below these; what a link says itself stays.
    """

    model_config = ConfigDict(extra="forbid")

    source: UtmText
    medium: UtmText = "email"
    campaign: UtmText | None = None
    content: UtmText | None = None
    domains: Annotated[list[str], Field(min_length=1, max_length=20), AfterValidator(_domains)]


class PolicyChange(BaseModel):
    """What shall be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ALLOWING]})

    promotion_without_consent: bool | None = None
    unconfirmed_consent: Literal["allow", "refuse"] | None = None
    soft_bounces: Annotated[int, Field(ge=0, le=1000)] | None = None
    soft_bounce_days: Annotated[int, Field(ge=1, le=366)] | None = None


class PolicyBody(BaseModel):
    """What a workspace allows."""

    model_config = ConfigDict(extra="forbid")

    promotion_without_consent: bool = Field(
        description="Whether promotions go to people who have not said yes, and not said no."
    )
    unconfirmed_consent: Literal["allow", "refuse"] = Field(
        default="refuse",
        description="Whether a consent or an address that only a public source (a web page, an "
        "app) tells of is enough for a promotion.",
    )
    soft_bounces: int = Field(
        default=5,
        description="After so many messages that an address did not take within soft_bounce_days "
        "nothing more is sent there; 0: it is always tried again.",
    )
    soft_bounce_days: int = 30


class NewCampaign(BaseModel):
    """A campaign to be made. It says what a template says, or has texts of its own, in Liquid."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _CAMPAIGN})

    name: Line
    segment_id: SegmentId
    purpose: Purpose
    from_address: Sender | None = Field(None, description="needed for e-mail")
    subject: Annotated[Template, Field(max_length=1000)] | None = None
    html: Template | None = None
    text: Template | None = Field(default=None, description="null: made of the page")
    template_id: UUID | None = Field(default=None, description="in place of subject, html, text")
    utm: UtmBody | None = None
    coupon_pool: PoolName | None = Field(default=None, description="for {{ coupon.code }}")
    allow_old_events: bool = False
    include_existing: bool = False
    priority: Priority = Field(
        USUAL_PRIORITY, description="of several that want the same person the greater goes first"
    )
    quiet_hours: Windows | None = Field(
        None, description="in place of the workspace's; null: those; []: none"
    )
    topic: Line | None = Field(
        None, description="one of /v1/topics: who has said no to it gets nothing"
    )
    channel: CampaignChannel = Field("email", description="it stays what it is made for")
    content: ContentBody | None = Field(None, description="what it says by another channel")

    @model_validator(mode="after")
    def _fits_its_channel(self) -> Self:
        is_mail = self.channel == "email"
        strange = ("content",) if is_mail else ("from_address", "subject", "html", "template_id")
        for name in strange:
            if getattr(self, name) is not None:
                message = "{name} is not for {channel}"
                raise PydanticCustomError("other", message, {"name": name, "channel": self.channel})
        needed = "from_address" if is_mail else "content"
        if getattr(self, needed) is None:
            message = "{name} is needed for {channel}"
            raise PydanticCustomError("needed", message, {"name": needed, "channel": self.channel})
        if self.content is not None and self.channel != "email":
            self.content.require(self.channel)
        return self

    @model_validator(mode="after")
    def _says_something_once(self) -> Self:
        own = [name for name in ("subject", "html", "text") if getattr(self, name) is not None]
        if self.template_id is not None and own:
            message = "{name} is what the template says: leave it out, or leave template_id out"
            raise PydanticCustomError("said_twice", message, {"name": own[0]})
        is_silent = self.template_id is None and (self.subject is None or self.html is None)
        if is_silent and self.channel == "email":
            raise PydanticCustomError("nothing_said", "needs subject and html, or a template_id")
        return self

    def fields(self) -> dict[str, Any]:
        """The fields of the campaign."""
        said = {name: getattr(self, name) or "" for name in ("from_address", "subject", "html")}
        content = self.content and self.content.model_dump_json()
        own = {"content": content, "quiet_hours": windows_of(self.quiet_hours)}
        return _kept(self.model_dump(mode="json") | said) | own


class CampaignChange(BaseModel):
    """What of a draft is to be another; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Line | None = None
    segment_id: SegmentId | None = None
    purpose: Purpose | None = None
    from_address: Sender | None = None
    subject: Subject | None = None
    html: Template | None = None
    text: Template | None = Field(default=None, description="null: made of the page")
    template_id: UUID | None = Field(
        default=None, description="null: what it says stays, and is its own from then on"
    )
    utm: UtmBody | None = Field(default=None, description="null: links stay as they are")
    coupon_pool: PoolName | None = None
    allow_old_events: bool | None = None
    include_existing: bool | None = None
    priority: Priority | None = None
    quiet_hours: Windows | None = Field(None, description="null: those of the workspace")
    topic: Line | None = Field(None, description="null: none")
    content: ContentBody | None = Field(None, description="of a campaign by another channel")

    @model_validator(mode="after")
    def _only_some_can_go(self) -> Self:
        for name in sorted(self.model_fields_set - _CAN_GO):
            if getattr(self, name) is None:
                message = "{name} can't be null: leave it out, or give another value"
                raise PydanticCustomError("null", message, {"name": name})
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were given; only some can be taken away."""
        given = _kept(self.model_dump(mode="json", include=self.model_fields_set))
        if self.content:
            given["content"] = self.content.model_dump_json()
        return given | self._windows()

    def _windows(self) -> dict[str, Any]:
        given = "quiet_hours" in self.model_fields_set
        return {"quiet_hours": windows_of(self.quiet_hours)} if given else {}


class TestSend(BaseModel):
    """Where a test mail goes, and as whose it is rendered (nobody's when left out)."""

    __test__ = False
    model_config = ConfigDict(extra="forbid")

    to: Annotated[StorableText, Field(min_length=1, max_length=4000)]
    profile_id: Line | None = None


class CampaignBrief(BaseModel):
    """A campaign without what it says; its job plans for those who were in its segment before."""

    id: str
    name: str
    segment_id: str
    segment_name: str | None
    reason: str | None = Field(
        description="Why nobody comes to it any more: its segment is archived, or not active."
    )
    purpose: Purpose
    channel: str
    from_address: str
    subject: str
    allow_old_events: bool
    include_existing: bool
    priority: int
    quiet_hours: list[WindowBody] | None
    topic: str | None
    state: CampaignState
    created_at: datetime
    started_at: datetime | None
    archived_at: datetime | None
    job_id: str | None
    template_id: str | None
    template_version: int | None = Field(description="started, it keeps this one")
    utm: UtmBody | None
    coupon_pool: str | None


class CampaignOutcomes(BaseModel):
    """Of how many messages of a campaign something became known; one may be in several numbers."""

    delivered: int = Field(0, description="as far as mail servers or vendors tell")
    bounced: int = 0
    bounced_hard: int = Field(0, description="those whose address is dead")
    complained: int = 0
    replied: int = 0
    opened: int = Field(0, description="by a person, as far as can be known")
    opened_by_machine: int = Field(0, description="by a mailbox or a scanner")
    clicked: int = Field(0, description="by a person, as far as can be known")
    clicked_by_machine: int = 0


class CampaignView(CampaignBrief):
    """A campaign as it is shown."""

    html: str
    text: str | None
    content: ContentBody | None
    languages: list[str] = Field(description="others than its own, in which it is sent")
    counts: dict[MessageState, int]
    outcomes: CampaignOutcomes


class TestView(BaseModel):
    """A test mail on its way."""

    __test__ = False

    send_key: str
    state: MessageState
    to_address: str


class CampaignLedger(Ledger):
    """Both sides of `planned_total = planned + sending + sent + failed + ...`, test sends too."""

    lacking: int = Field(description="profiles of which a record was missed")
    planned_total: int
    planned: int
    sending: int
    sent: int
    failed: int
    suppressed: int
    uncertain: int


class MessageView(BaseModel):
    """A row of the ledger as it is shown."""

    send_key: str
    test: bool
    profile_id: str
    to_address: str | None
    state: MessageState
    reason: str | None
    attempt: int
    planned_at: datetime
    sent_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    language: str | None = Field(description="of its campaign's others; null: its own")
    coupon: str | None = Field(description="the code that it has")


def campaign_brief(campaign: Campaign, segment: Segment | None) -> CampaignBrief:
    """A campaign as it stands in a list."""
    return CampaignBrief.model_validate(_shown(campaign, segment))


def campaign_view(
    campaign: Campaign, segment: Segment | None, counts: dict[str, int], outcomes: dict[str, int]
) -> CampaignView:
    """A campaign with how many of its messages are in which state, and what became of them."""
    said = {"counts": counts, "outcomes": outcomes}
    return CampaignView.model_validate(_shown(campaign, segment) | said)


def message_view(
    row: Any, languages: Mapping[str, str], coupons: Mapping[str, Given]
) -> MessageView:
    """A row of the ledger, with what is noted of messages by their send keys."""
    coupon = coupons.get(row.send_key)
    more = {
        "test": row.kind == "test",
        "language": languages.get(row.send_key),
        "coupon": coupon.code if coupon else None,
    }
    return MessageView.model_validate({**row._mapping, **more})  # noqa: SLF001 - public in SQLAlchemy


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    """With what is kept as JSON in its form."""
    return {
        name: json.dumps(value or {}) if name == "utm" else value for name, value in fields.items()
    }


def _shown(campaign: Campaign, segment: Segment | None) -> dict[str, Any]:
    fields, content = asdict(campaign), campaign.content
    del fields["topic_purpose"]
    fields["quiet_hours"] = shown_windows(campaign.quiet_hours)
    return {
        "id": fields.pop("campaign_id"),
        "job_id": fields.pop("job"),
        "segment_name": segment.name if segment else None,
        "reason": idle_reason(campaign.state, campaign.segment_id, segment),
        **fields,
        "content": content and ContentBody.model_validate_json(content),
        "utm": json.loads(campaign.utm) or None,
        "languages": sorted(languages_of(campaign.languages)),
    }
