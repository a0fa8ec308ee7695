"""A person's names, contacts, birthday, addresses: as they were sent, and as they are read."""

from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import Reader, person
from rapport_profile.api.models import people as models
from rapport_profile.api.profiles import summary_of
from rapport_profile.domain.readings import Reading, readings


def reading_routes(engine: AsyncEngine) -> APIRouter:
    """What is read of what was sent."""
    router = Router(tags=["profiles"])

    @router.get("/v1/profiles/{profile_id}/readings", response_model=Listed[models.Reading])
    async def profile_readings(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        """Traits that have a normal form, raw beside it, with source and time, by name.

        Names, e-mail, phone, birthday, gender, addresses and numbers of papers. Nothing is written
        over by its normal form.
        """
        after = page.after(str)
        async with engine.begin() as tx:
            who, found = await person(tx, caller.workspace, profile_id)
            summary = await summary_of(tx, who, found)
        rows = [one for one in readings(summary.fold) if not after or one.name > after[0]]
        return json_answer(page.answer(rows[: page.ask], key=lambda one: [one.name], show=_shown))

    return router


def _shown(one: Reading) -> dict[str, Any]:
    said = one.said
    return {
        "name": one.name,
        "field": one.field,
        "raw": msgspec.Raw(bytes(one.raw)),
        "normal": one.normal,
        "source": one.stamp.source,
        "at": one.stamp.at,
        "put_right": one.put_right,
        "said": None
        if said is None
        else {
            "raw": msgspec.Raw(bytes(said.value)),
            "source": said.stamp.source,
            "at": said.stamp.at,
        },
    }
