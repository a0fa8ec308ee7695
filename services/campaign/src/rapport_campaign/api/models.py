"""What operators send and get, with the limits that make a request valid."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from rapport_campaign.domain.addresses import envelope_address, sender_address
from rapport_campaign.domain.model import Campaign, CampaignState, MessageState, Purpose
from rapport_campaign.render.templates import MAX_SOURCE
from rapport_common.events.contact import normal_email


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "must not contain the NUL character")
    return text


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


Text = Annotated[str, AfterValidator(_storable)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Template = Annotated[Text, Field(min_length=1, max_length=MAX_SOURCE)]
Sender = Annotated[str, Field(max_length=320), AfterValidator(_sender)]
Recipient = Annotated[str, Field(max_length=320), AfterValidator(_recipient)]


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
    segment_id: Line
    purpose: Purpose
    from_address: Sender
    subject: Annotated[Template, Field(max_length=1000)]
    html: Template
    text: Template | None = None
    allow_old_events: bool = False
    include_existing: bool = False


class TestSend(BaseModel):
    """Where a test mail goes, and as whose it is rendered (nobody's when left out)."""

    __test__ = False
    model_config = ConfigDict(extra="forbid")

    to: Recipient
    profile_id: Line | None = None


class CampaignView(BaseModel):
    """A campaign as it is shown."""

    id: str
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
    started_at: datetime | None
    counts: dict[MessageState, int]


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


def campaign_view(campaign: Campaign, counts: dict[str, int]) -> CampaignView:
    """A campaign with how many of its messages are in which state."""
    shown: dict[str, Any] = {
        field: getattr(campaign, field)
        for field in CampaignView.model_fields
        if field not in {"id", "counts"}
    }
    return CampaignView.model_validate({"id": campaign.campaign_id, "counts": counts, **shown})
