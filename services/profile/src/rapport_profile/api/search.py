"""Finding people: by what is remembered of them, and by many identifiers at once."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.idempotency import Repeatable
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.paging import Paging
from rapport_common.routes import Router
from rapport_profile.api.answers import json_answer
from rapport_profile.api.decisions import NamedIdentifier
from rapport_profile.api.models import people as models
from rapport_profile.domain.naming import Ids
from rapport_profile.domain.search_query import LEVELS, MOST_WORDS, search_for
from rapport_profile.domain.shown import SECTIONS, Section, shown_profile
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.looking_up import MOST, look_up
from rapport_profile.handlers.searching import Standing, search
from rapport_profile.store.jobs import REINDEX

Reader = Annotated[Operator, Depends(operator("profiles:read"))]
Ops = Annotated[Operator, Depends(operator("ops"))]
Asked = Annotated[
    str,
    Query(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00]*$",
        description=f"What is remembered: at most {MOST_WORDS} words, parts of words too.",
    ),
]
_FITS = ("whole", "beginning", "inside", "misspelt")


class Lookup(BaseModel):
    """Identifiers of people who are looked for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "identifiers": [
                    {"kind": "email", "value": "ada@example.com"},
                    {"kind": "user_id", "value": "c-42"},
                ],
                "fields": ["identifiers", "traits"],
            }
        },
    )

    identifiers: list[NamedIdentifier] = Field(min_length=1, max_length=MOST)
    fields: list[Section] = Field(
        default_factory=lambda: list(SECTIONS),
        max_length=len(SECTIONS),
        description="the sections of each profile that are shown; without it all",
    )


def search_routes(engine: AsyncEngine, ids: Ids) -> APIRouter:
    """Search, and look many people up."""
    router = Router(tags=["profiles"])

    @router.get("/v1/profiles/search", response_model=models.Hits)
    async def find_people(caller: Reader, q: Asked, page: Paging) -> dict[str, Any]:
        """People by their names, contact points, identifiers and chosen traits, the best first.

        Case, accents and widths of letters make no difference, Chinese names are found by their
        pinyin and its initials, and a word of four letters or more by one that differs in one.
        """
        asked = search_for(q)
        if asked is None:
            message = f"q: give letters or digits to search for, {MOST_WORDS} words at most."
            raise InvalidRequestError(message, details={"parameter": "q"})
        after = page.after(int, int, int, str)
        async with engine.begin() as tx:
            found = await search(tx, caller.workspace, asked)
        people = [one for one in found.people if after is None or one.key > after]
        body = page.answer(people[: page.ask], key=lambda one: one.key, show=_hit)
        return {**body, "complete": found.complete}

    @router.post("/v1/profiles/lookup", response_model=models.LookedUp)
    async def look_people_up(body: Lookup, caller: Reader) -> Response:
        """The people who have these identifiers, in their order; null where nobody has one."""
        named = [one.normal() for one in body.identifiers]
        wanted = [ids.of(caller.workspace, one) for one in named]
        async with engine.begin() as tx:
            found = await look_up(tx, caller.workspace, wanted)
        by_id: dict[str, msgspec.Raw] = {}
        for one in found.people:
            by_id[one.id] = msgspec.Raw(msgspec.json.encode(shown_profile(*one, body.fields)))
            await asyncio.sleep(0)  # others wait
        items = [
            {"kind": kind, "value": value, "profile": by_id.get(found.owners.get(id_, ""))}
            for (kind, value), id_ in zip(named, wanted, strict=True)
        ]
        return json_answer({"items": items})

    @router.post("/v1/profiles/reindex", status_code=202)
    async def reindex(caller: Ops, once: Repeatable) -> ShownJob:
        """Look at everybody, and write anew what they are searched by where it is not right.

        It keeps itself right; this is for those who were known before other traits were searched.
        """
        async with engine.begin() as tx:
            job = await start(tx, once, caller.workspace, REINDEX, {})
        return shown(job)

    return router


def _hit(one: Standing) -> dict[str, Any]:
    return {
        "id": one.id,
        "fits": _FITS[LEVELS.index(one.hit.level)],
        "matched": [{"field": entry.field, "value": entry.value} for entry in one.hit.entries],
    }
