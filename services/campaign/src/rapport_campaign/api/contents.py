"""What is sent by channels other than e-mail, as operators write it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from rapport_campaign.domain.parcels import Channel, Content
from rapport_campaign.domain.saying import content_of, lacking
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
    `phone` and `store`, tasks of staff: `text` (what to say), `title`, `url`, `parameters`.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    text: Annotated[StorableText, Field(max_length=MAX_TEXT)] = ""
    title: Annotated[StorableText, Field(max_length=200)] = ""
    template: Annotated[StorableText, Field(max_length=200)] = ""
    language: str = Field("en", pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z]{2,4})?$")
    parameters: Values = Field(default_factory=dict)
    url: str = Field("", max_length=2000, pattern=r"^(https?://[^\x00-\x1f]+|[{][{].*[}][}].*)?$")
    type: str = Field("message", pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=100)

    def require(self, channel: Channel) -> None:
        """ValueError where a part is missing that the channel needs."""
        missing = lacking(channel, self.model_dump(exclude={"parameters"}))
        if missing is not None:
            message = "content.{name} is needed for {channel}"
            raise PydanticCustomError("needed", message, {"name": missing, "channel": channel})

    def content(self, channel: Channel) -> Content:
        """The same for a channel; InvalidRequestError names what it lacks."""
        parts = self.model_dump(exclude={"parameters"})
        missing = lacking(channel, parts)
        if missing is not None:
            message = f"content.{missing} is needed for {channel}."
            problem = {"path": f"content.{missing}", "message": "is needed"}
            raise InvalidRequestError(message, details={"problems": [problem]})
        return content_of(channel, parts, self.parameters)
