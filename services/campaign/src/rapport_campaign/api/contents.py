"""What is sent by channels other than e-mail, as operators write it."""

from typing import Annotated, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from rapport_campaign.domain.parcels import (
    Channel,
    Content,
    Notification,
    Post,
    Templated,
    Text,
)
from rapport_common.errors import InvalidRequestError
from rapport_common.operator.texts import StorableText

MAX_TEXT = 4000
Word = Annotated[StorableText, Field(max_length=200)]
Value = Annotated[StorableText, Field(max_length=1000)]
Values = Annotated[dict[Word, Value], Field(max_length=50)]
_EXAMPLE: JsonDict = {"text": "Your parcel is on its way.", "parameters": {"name": "Ada"}}


class ContentBody(BaseModel):
    """What a message says. Which parts count depends on the channel.

    `sms`: `text`, and `template` with `parameters` where the provider sends templates only. `push`
    and `web_push`: `title`, `text`, `url`, `parameters` for the app. `wechat` and `whatsapp`:
    `template`, `language`, `parameters`, `url`. `webhook`: `type`, `parameters`.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    text: Annotated[StorableText, Field(max_length=MAX_TEXT)] = ""
    title: Annotated[StorableText, Field(max_length=200)] = ""
    template: Annotated[StorableText, Field(max_length=200)] = ""
    language: str = Field("en", pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z]{2,4})?$")
    parameters: Values = Field(default_factory=dict)
    url: str = Field("", max_length=2000, pattern=r"^(https?://[!-~]+)?$")
    type: str = Field("message", pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=100)

    def content(self, channel: Channel) -> Content:
        """The same for a channel; InvalidRequestError names what it lacks."""
        if channel == "sms":
            self._require("text" if not self.template else "template", channel)
            return Text(self.text, self.template, self.parameters)
        if channel in {"push", "web_push"}:
            self._require("title", channel)
            return Notification(self.title, self.text, self.url, self.parameters)
        if channel == "webhook":
            return Post(self.type, msgspec.json.encode(self.parameters))
        self._require("template", channel)
        return Templated(self.template, self.language, self.parameters, self.url)

    def _require(self, name: Literal["text", "title", "template"], channel: Channel) -> None:
        if not getattr(self, name).strip():
            message = f"content.{name} is needed for {channel}."
            problem = {"path": f"content.{name}", "message": "is needed"}
            raise InvalidRequestError(message, details={"problems": [problem]})
