"""The fields that come with a press on a page, bounded before they are parsed."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request

from rapport_common.errors import AppError, InvalidRequestError
from rapport_common.events.codec import UNREADABLE
from rapport_feedback import pages
from rapport_feedback.domain.question_fields import Fields

MAX_FORM_BYTES = 128 * 1024
MAX_FIELDS = 500
"""More than the largest page has: a form that is accepted can be answered."""

_Scalar = str | int | bool | None
_Json = dict[str, _Scalar | list[str] | dict[str, str]]


async def read_fields(request: Request) -> Fields:
    """{name: values} of a form, or of a JSON object with answers by the ids of questions."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_FORM_BYTES:
            raise AppError(pages.TOO_LONG, status=413, code="too_large")
    if request.headers.get("content-type", "").startswith("application/json"):
        return _json_fields(bytes(raw))
    return _form_fields(raw.decode("utf-8", "replace"))


def _form_fields(raw: str) -> Fields:
    try:
        told = parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise InvalidRequestError(pages.TOO_MANY_FIELDS) from error
    found: dict[str, list[str]] = {}
    for name, value in told:
        found.setdefault(name, []).append(value)
    return found


def _json_fields(raw: bytes) -> Fields:
    """As a form would say it: of a matrix `question.row`, of an option that is other `.other`."""
    try:
        decoded = msgspec.json.decode(raw, type=_Json)
    except UNREADABLE as error:
        raise InvalidRequestError(pages.NOT_AN_OBJECT) from error
    found: dict[str, list[str]] = {}
    for name, value in decoded.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{row}": [option] for row, option in value.items()}
        elif isinstance(value, list):
            found[name] = value
        elif value is not None:
            found[name] = ["yes" if value is True else "" if value is False else str(value)]
    if sum(map(len, found.values())) > MAX_FIELDS:
        raise InvalidRequestError(pages.TOO_MANY_FIELDS)
    return found
