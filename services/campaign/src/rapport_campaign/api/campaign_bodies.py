"""Campaigns as operators send them: whole, and what of one is to be otherwise."""

import json
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from rapport_campaign.api.contact_rules import WindowBody, windows_of
from rapport_campaign.api.contents import ContentBody
from rapport_campaign.api.words import (
    Line,
    PoolName,
    SegmentId,
    Sender,
    Subject,
    Template,
    one_line,
)
from rapport_campaign.domain.model import (
    MAX_PRIORITY,
    USUAL_PRIORITY,
    Purpose,
)
from rapport_campaign.domain.quiet_hours import MAX_WINDOWS
from rapport_campaign.domain.sender_domains import domain_name

Priority = Annotated[int, Field(ge=0, le=MAX_PRIORITY, strict=True)]
Windows = Annotated[list[WindowBody], Field(max_length=MAX_WINDOWS)]
CampaignChannel = Literal[
    "email", "sms", "push", "web_push", "wechat", "whatsapp", "webhook", "inbox", "phone", "store"
]
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
_CAN_GO = {"text", "amp", "template_id", "utm", "coupon_pool", "quiet_hours", "topic"}


def _domains(names: list[str]) -> list[str]:
    try:
        return sorted({domain_name(name) for name in names})
    except ValueError as error:
        raise PydanticCustomError("domain", str(error)) from error


UtmText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]


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


class NewSaying(BaseModel):
    """What is said, and how. A template says it, or texts of its own do, in Liquid."""

    model_config = ConfigDict(extra="forbid")

    name: Line
    purpose: Purpose
    from_address: Sender | None = Field(None, description="needed for e-mail")
    subject: Annotated[Template, Field(max_length=1000)] | None = None
    html: Template | None = None
    text: Template | None = Field(default=None, description="null: made of the page")
    amp: Template | None = Field(default=None, description="the page again, as AMP for Email")
    template_id: UUID | None = Field(default=None, description="in place of subject, html, text")
    utm: UtmBody | None = None
    coupon_pool: PoolName | None = Field(default=None, description="for {{ coupon.code }}")
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
        strange = (
            ("content",) if is_mail else ("from_address", "subject", "html", "amp", "template_id")
        )
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
        own = [
            name for name in ("subject", "html", "text", "amp") if getattr(self, name) is not None
        ]
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
        kept = _kept(self.model_dump(mode="json") | said | {"content": content})
        return kept | {"quiet_hours": windows_of(self.quiet_hours)}


class NewCampaign(NewSaying):
    """A campaign to be made. It says what a template says, or has texts of its own, in Liquid."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _CAMPAIGN})

    segment_id: SegmentId
    allow_old_events: bool = False
    include_existing: bool = False


class SayingChange(BaseModel):
    """What of what is said is to be another; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Line | None = None
    purpose: Purpose | None = None
    from_address: Sender | None = None
    subject: Subject | None = None
    html: Template | None = None
    text: Template | None = Field(default=None, description="null: made of the page")
    amp: Template | None = Field(default=None, description="null: none")
    template_id: UUID | None = Field(
        default=None, description="null: what it says stays, and is its own from then on"
    )
    utm: UtmBody | None = Field(default=None, description="null: links stay as they are")
    coupon_pool: PoolName | None = None
    priority: Priority | None = None
    quiet_hours: Windows | None = Field(None, description="null: those of the workspace")
    topic: Line | None = Field(None, description="null: none")
    content: ContentBody | None = Field(None, description="of a campaign by another channel")

    @model_validator(mode="after")
    def _only_some_can_go(self) -> Self:
        for name in sorted(self.model_fields_set - self.can_go()):
            if getattr(self, name) is None:
                message = "{name} can't be null: leave it out, or give another value"
                raise PydanticCustomError("null", message, {"name": name})
        return self

    @classmethod
    def can_go(cls) -> set[str]:
        """The names of what may be null."""
        return _CAN_GO

    def changes(self) -> dict[str, Any]:
        """The fields that were given; only some can be taken away."""
        given = _kept(self.model_dump(mode="json", include=self.model_fields_set))
        said = {"content": self.content.model_dump_json()} if self.content else {}
        return given | said | self._windows()

    def _windows(self) -> dict[str, Any]:
        given = "quiet_hours" in self.model_fields_set
        return {"quiet_hours": windows_of(self.quiet_hours)} if given else {}


class CampaignChange(SayingChange):
    """What of a draft is to be another; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    segment_id: SegmentId | None = None
    allow_old_events: bool | None = None
    include_existing: bool | None = None


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    """With what is kept as JSON in its form."""
    return {
        name: json.dumps(value or {}) if name == "utm" else value for name, value in fields.items()
    }
