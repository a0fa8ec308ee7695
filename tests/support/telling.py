"""Reads what a service tells of somebody, in pages of any size."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.access.parts import Part, Rows
from rapport_common.privacy.subject import Subject

NOBODY = Subject(
    workspace="w",
    request_id="r",
    profile_id="0190a5c0-0000-7000-8000-0000000000e1",
    subjects=frozenset({"00" * 16}),
    kinds=frozenset({"email"}),
    profiles=frozenset({"0190a5c0-0000-7000-8000-0000000000e1"}),
    at=clock.now(),
)
_BEFORE_ALL = {
    "text": "",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "timestamptz": "1990-01-01T00:00:00Z",
}


async def rows_of(engine: AsyncEngine, part: Part, who: Subject, size: int = 500) -> list[Any]:
    """All rows of a part, read in pages of a size."""
    paged = dataclasses.replace(part, size=size) if isinstance(part, Rows) else part
    found: list[Any] = []
    after: str | None = None
    while True:
        async with engine.begin() as tx:
            page = await paged.page(tx, who, after)
        found += page.rows
        after = page.after
        if after is None:
            return found


async def tells_nothing(engine: AsyncEngine, parts: Sequence[Part]) -> bool:
    """Whether all parts can be read, from the start and from any place, and none is of nobody."""
    told: list[Any] = []
    for part in parts:
        places: list[str | None] = [None]
        if isinstance(part, Rows):
            places.append(json.dumps([_BEFORE_ALL.get(one, "0") for one in part.key.values()]))
        for place in places:
            async with engine.begin() as tx:
                told += (await part.page(tx, NOBODY, place)).rows
    return bool(parts) and not told
