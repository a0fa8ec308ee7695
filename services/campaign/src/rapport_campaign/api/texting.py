"""/v1/sms: how a text message goes out, before it does."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.contents import MAX_TEXT
from rapport_campaign.domain.sms import cost, measure
from rapport_campaign.handlers import providers as use
from rapport_common.auth import Operator, operator
from rapport_common.operator.texts import StorableText
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
_EXAMPLE: JsonDict = {"text": "Your order 7 is ready – pick it up until 18:00."}


class SmsText(BaseModel):
    """A text; with an account and a number, what it costs, too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    text: Annotated[StorableText, Field(max_length=MAX_TEXT)]
    account_id: str | None = Field(None, max_length=100, description="whose prices count")
    to: str | None = Field(None, pattern=r"^\+[0-9]{3,15}$", description="E.164")


class SmsPreview(BaseModel):
    """How it goes out. `units`: letters of 7 bits (two for `€` and the like), or 16-bit units."""

    encoding: Literal["gsm7", "ucs2"]
    units: int
    room: int = Field(description="units that fit into as many segments")
    segments: int
    forcing: list[str] = Field(description="what is not in the alphabet of GSM, the first twenty")
    segments_without: int = Field(description="if none of it were in the text")
    cost: Decimal | None = Field(description="null: no price is known")
    currency: str | None


def texting_routes(engine: AsyncEngine) -> APIRouter:
    """For operators."""
    router = Router(tags=["provider accounts"])

    @router.post("/v1/sms/preview")
    async def preview(body: SmsText, caller: Reader) -> SmsPreview:
        """Show into how many segments a text is cut, which letters are to blame, and the cost."""
        found = measure(body.text)
        charged, currency = None, None
        if body.account_id is not None:
            async with engine.begin() as tx:
                account, _ = await use.require(tx, caller.workspace, body.account_id)
            charged, currency = (
                cost(account.prices, body.to or "", found.segments),
                account.currency,
            )
        plain = body.text.translate(dict.fromkeys(map(ord, found.forcing)))
        return SmsPreview(
            encoding=found.encoding,
            units=found.units,
            room=found.room,
            segments=found.segments,
            forcing=list(found.forcing),
            segments_without=measure(plain).segments,
            cost=charged,
            currency=currency,
        )

    return router
