"""Texts that operators send, with the limits that make each valid."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from rapport_campaign.domain.addresses import envelope_address, sender_address
from rapport_campaign.domain.coupons import NAME
from rapport_campaign.domain.languages import language_tag
from rapport_campaign.render.templates import MAX_SOURCE
from rapport_common.events.contact import normal_email
from rapport_common.operator.texts import StorableText


def one_line(text: str) -> str:
    """The text without blanks around it; an error for more than a line, or for none."""
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
        return one_line(text)


def _pool(text: str) -> str:
    if not NAME.fullmatch(text):
        message = "must be a name of a-z, 0-9, '_' and '-', such as `summer`"
        raise PydanticCustomError("coupon_pool", message)
    return text


def _tag(text: str) -> str:
    found = language_tag(text)
    if found is None:
        raise PydanticCustomError("language", "must be a language tag such as `de` or `zh-Hant`")
    return found


SegmentId = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_segment)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
Template = Annotated[StorableText, Field(min_length=1, max_length=MAX_SOURCE)]
Subject = Annotated[Template, Field(max_length=1000)]
Sender = Annotated[str, Field(max_length=320), AfterValidator(_sender)]
PoolName = Annotated[str, Field(max_length=63), AfterValidator(_pool)]
Recipient = Annotated[str, Field(max_length=320), AfterValidator(_recipient)]
Tag = Annotated[str, Field(max_length=64), AfterValidator(_tag)]
