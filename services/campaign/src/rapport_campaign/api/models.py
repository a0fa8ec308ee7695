"""What operators send and get, with the limits that make a request valid."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from rapport_campaign.api.campaign_bodies import UtmBody
from rapport_campaign.api.contact_rules import WindowBody, shown_windows
from rapport_campaign.api.contents import ContentBody
from rapport_campaign.api.words import Line, Tag
from rapport_campaign.domain.model import (
    Campaign,
    CampaignState,
    MessageState,
    Purpose,
)
from rapport_campaign.domain.segments import Segment, idle_reason
from rapport_campaign.domain.templates import others_of
from rapport_campaign.store.coupons import Given
from rapport_common.operator.models import Ledger
from rapport_common.operator.texts import StorableText

_ALLOWING: JsonDict = {"promotion_without_consent": True}


class PolicyChange(BaseModel):
    """What shall be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ALLOWING]})

    promotion_without_consent: bool | None = None
    unconfirmed_consent: Literal["allow", "refuse"] | None = None
    soft_bounces: Annotated[int, Field(ge=0, le=1000)] | None = None
    soft_bounce_days: Annotated[int, Field(ge=1, le=366)] | None = None
    language: Tag | None = None
    broadcast_approval_above: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        default=None, description="null: no broadcast has to be approved"
    )


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
    language: str | None = Field(
        default=None, description="Of people who have told none, or one that a template lacks."
    )
    broadcast_approval_above: int | None = Field(
        default=None,
        description="Broadcasts to more people than this a second person has to approve.",
    )


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
    amp: str | None
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
        "languages": sorted(others_of(campaign.languages)),
    }
