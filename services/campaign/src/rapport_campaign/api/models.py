"""What operators send and get, with the limits that make a request valid."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from rapport_campaign.api.contents import ContentBody
from rapport_campaign.domain.addresses import envelope_address, sender_address
from rapport_campaign.domain.model import Campaign, CampaignState, MessageState, Purpose
from rapport_campaign.domain.segments import Segment, idle_reason
from rapport_campaign.render.templates import MAX_SOURCE
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


SegmentId = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_segment)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Template = Annotated[StorableText, Field(min_length=1, max_length=MAX_SOURCE)]
Subject = Annotated[Template, Field(max_length=1000)]
Sender = Annotated[str, Field(max_length=320), AfterValidator(_sender)]
CampaignChannel = Literal[
    "email", "sms", "push", "web_push", "wechat", "whatsapp", "webhook", "inbox"
]
_ALLOWING: JsonDict = {"promotion_without_consent": True}
Recipient = Annotated[str, Field(max_length=320), AfterValidator(_recipient)]


class PolicyChange(BaseModel):
    """What shall be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ALLOWING]})

    promotion_without_consent: bool | None = None
    unconfirmed_consent: Literal["allow", "refuse"] | None = None


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


class NewCampaign(BaseModel):
    """A campaign to be made. The three templates are Liquid."""

    model_config = ConfigDict(extra="forbid")

    name: Line
    segment_id: SegmentId
    purpose: Purpose
    from_address: Sender | None = Field(None, description="needed for e-mail, as the next two")
    subject: Subject | None = None
    html: Template | None = None
    text: Template | None = None
    allow_old_events: bool = False
    include_existing: bool = False
    channel: CampaignChannel = Field("email", description="it stays what it is made for")
    content: ContentBody | None = Field(None, description="what it says by another channel")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        mails = ("from_address", "subject", "html")
        needed = mails if self.channel == "email" else ("content",)
        for name in needed:
            if getattr(self, name) is None:
                message = "{name} is needed for {channel}"
                raise PydanticCustomError(
                    "needed", message, {"name": name, "channel": self.channel}
                )
        other = "content" if self.channel == "email" else "html"
        if getattr(self, other) is not None:
            message = "{name} is not for {channel}"
            raise PydanticCustomError("other", message, {"name": other, "channel": self.channel})
        if self.content is not None and self.channel != "email":
            self.content.require(self.channel)
        return self

    def fields(self) -> dict[str, Any]:
        """As campaigns are kept."""
        found = self.model_dump(exclude={"content"})
        for name in ("from_address", "subject", "html"):
            found[name] = found[name] or ""
        return {**found, "content": self.content and self.content.model_dump_json()}


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
    allow_old_events: bool | None = None
    include_existing: bool | None = None
    content: ContentBody | None = Field(None, description="of a campaign by another channel")

    @model_validator(mode="after")
    def _only_the_text_can_go(self) -> Self:
        for name in sorted(self.model_fields_set - {"text"}):
            if getattr(self, name) is None:
                message = "{name} can't be null: leave it out, or give another value"
                raise PydanticCustomError("null", message, {"name": name})
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were given; only the text can be taken away."""
        found = self.model_dump(include=self.model_fields_set)
        return {**found, "content": self.content.model_dump_json()} if self.content else found


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
    state: CampaignState
    created_at: datetime
    started_at: datetime | None
    archived_at: datetime | None
    job_id: str | None


class CampaignView(CampaignBrief):
    """A campaign as it is shown."""

    html: str
    text: str | None
    content: ContentBody | None
    counts: dict[MessageState, int]


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


def campaign_brief(campaign: Campaign, segment: Segment | None) -> CampaignBrief:
    """A campaign as it stands in a list."""
    return CampaignBrief.model_validate(_shown(campaign, segment))


def campaign_view(
    campaign: Campaign, segment: Segment | None, counts: dict[str, int]
) -> CampaignView:
    """A campaign with how many of its messages are in which state."""
    return CampaignView.model_validate(_shown(campaign, segment) | {"counts": counts})


def message_view(row: Any) -> MessageView:
    """A row of the ledger."""
    return MessageView.model_validate({**row._mapping, "test": row.kind == "test"})  # noqa: SLF001 - public in SQLAlchemy


def _shown(campaign: Campaign, segment: Segment | None) -> dict[str, Any]:
    fields, content = asdict(campaign), campaign.content
    return {
        "id": fields.pop("campaign_id"),
        "job_id": fields.pop("job"),
        "segment_name": segment.name if segment else None,
        "reason": idle_reason(campaign.state, campaign.segment_id, segment),
        **fields,
        "content": content and ContentBody.model_validate_json(content),
    }
