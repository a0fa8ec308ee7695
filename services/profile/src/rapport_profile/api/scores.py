"""What models say of a person."""

from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import Reader, person
from rapport_profile.api.models import people as models
from rapport_profile.store import scores


def score_routes(engine: AsyncEngine) -> APIRouter:
    """Scores of people."""
    router = Router(tags=["profiles"])

    @router.get("/v1/profiles/{profile_id}/scores", response_model=Listed[models.Score])
    async def profile_scores(profile_id: UUID, caller: Reader, page: Paging) -> Response:
        """What models say of a person, the newest under each name, by name."""
        after = page.after(str)
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, profile_id)
            last = after[0] if after else None
            rows = await scores.page(tx, who.workspace, who.profile_id, page.ask, last)
        return json_answer(page.answer(rows, key=lambda row: [row.name], show=_shown))

    return router


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "name": row.name,
        "value": msgspec.Raw(row.value.encode()),
        "model": row.model,
        "model_version": row.model_version,
        "at": row.as_of,
        "reason": row.reason,
    }
