"""What was said of one trait of a person, by whom, and what of it counts."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from rapport_common.events.envelope import Event
from rapport_common.paging import Paging
from rapport_common.routes import Router
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import NO_NUL, Reader, person
from rapport_profile.api.models import people as models
from rapport_profile.domain.filtering import Wanted
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.stamps import stamp_of
from rapport_profile.domain.telling import traits_said
from rapport_profile.domain.trait_rules import MAX_NAME
from rapport_profile.domain.traits import Trait
from rapport_profile.handlers import timeline
from rapport_profile.store import rectifications
from rapport_profile.store.timeline import Span


def trait_history_routes(engine: AsyncEngine) -> APIRouter:
    """The history of traits."""
    router = Router(tags=["profiles"])

    @router.get("/v1/profiles/{profile_id}/trait-history", response_model=models.TraitHistory)
    async def trait_history(
        profile_id: UUID,
        caller: Reader,
        page: Paging,
        name: Annotated[str, Query(min_length=1, max_length=MAX_NAME, pattern=NO_NUL)],
    ) -> Response:
        """What events said of a trait, newest first, as far as they are on the timeline.

        Where few events of very many say something of it, a page has less than `limit`, or
        nothing, and `next` goes on behind what was looked at.
        """
        after = page.after(datetime, str, str)
        wanted = Wanted(types=("identify",), trait=name)
        async with engine.begin() as tx:
            who, holder = await person(tx, caller.workspace, profile_id)
            summary = holder.summary
            size = summary.members if summary is not None else 0
            asked = timeline.Asked(who, size, Span(), wanted, page.ask, after)
            found = await timeline.page(tx, asked)
            known = Fold() if summary is None else summary.fold
            right = await rectifications.of_trait(tx, who.workspace, known.rectified, name)
        current = known.known_traits().get(name)
        body = page.answer(
            found.events,
            key=lambda one: [one.timestamp, one.source, one.message_id],
            show=lambda one: _said(one, name, current),
            ended_at=found.ended_at,
        )
        put_right = [_right(row, known, current) for row in right]
        whose = {"profile_id": str(who.profile_id), "name": name, "rectifications": put_right}
        return json_answer({**whose, **body})

    return router


def _right(row: Row[Any], known: Fold, current: Trait | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "value": msgspec.Raw(row.value.encode()),
        "at": row.at,
        "lifted_at": row.lifted_at,
        "counts": current is not None and current.is_by(known.rectified[row.id].stamp),
    }


def _said(event: Event, name: str, current: Trait | None) -> dict[str, Any]:
    value, once = traits_said(event)[name]
    stamp = stamp_of(event)
    return {
        "value": msgspec.Raw(bytes(value)),
        "at": stamp.at,
        "source": event.source,
        "message_id": event.message_id,
        "once": once,
        "counts": current is not None and current.is_by(stamp),
    }
