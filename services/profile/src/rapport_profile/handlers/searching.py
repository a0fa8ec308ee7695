"""Searching people by what somebody remembers of them."""

import asyncio
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.naming import Id
from rapport_profile.domain.search_query import LEVELS, LOOSE, Hit, Key, Search, hit
from rapport_profile.domain.search_words import numbers
from rapport_profile.domain.searchable import Entry
from rapport_profile.store import search as store

MOST = 1_000
"""People that are looked at for one search: who asks for more has to say more."""

TURN = 100
"""After so many the process turns to others who wait."""

ENOUGH = 20
"""Where so many fit as it is written, nobody is looked for who would fit but for a letter."""


class Standing(NamedTuple):
    """Somebody who fits, and where they stand."""

    key: Key
    id: Id
    hit: Hit


class Results(NamedTuple):
    """Who fits, the best first; `complete` is False if there may be more than were looked at."""

    people: list[Standing]
    complete: bool


async def search(
    tx: AsyncConnection, workspace: str, asked: Search, *, most: int = MOST
) -> Results:
    """Who fits, the best first; those who fit better are looked for first, until it is enough."""
    hits: dict[Id, Hit] = {}
    others: dict[Id, list[Entry]] = {}
    complete = True
    for level in LEVELS:
        if level == LOOSE and len(hits) >= ENOUGH:
            break
        ways = [[numbers(workspace, part) for part in parts] for parts in asked.keys(level)]
        known = [*hits, *others]
        found = await store.with_keys(tx, workspace, ways, most - len(known), besides=known)
        others.update(found)
        for number, id_ in enumerate(list(others)):
            if number % TURN == 0:
                await asyncio.sleep(0)
            fits = hit(asked, others[id_], level)
            if fits is not None:
                hits[id_] = fits
                del others[id_]
        if len(hits) + len(others) == most:
            complete = False
            break
    standing = sorted(Standing(one.key(id_), id_, one) for id_, one in hits.items())
    return Results(standing, complete)
