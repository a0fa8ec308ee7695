"""Searching people by what somebody remembers of them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.naming import Id
from rapport_profile.domain.search_query import LEVELS, LOOSE, Hit, Key, Search, hit
from rapport_profile.domain.search_words import numbers
from rapport_profile.store import search as store

MOST = 1_000
"""People that are looked at for one search: who asks for more has to say more."""

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
    seen: dict[Id, Hit] = {}
    complete = True
    for level in LEVELS:
        if level == LOOSE and len(seen) >= ENOUGH:
            break
        ways = [[numbers(workspace, part) for part in parts] for parts in asked.keys(level)]
        found = await store.with_keys(tx, workspace, ways, most)
        _add(seen, asked, found, level)
        if len(found) == most:
            complete = False
            break
    standing = sorted(Standing(one.key(id_), id_, one) for id_, one in seen.items())
    return Results(standing, complete)


def _add(seen: dict[Id, Hit], asked: Search, found: Sequence[store.Found], level: int) -> None:
    for one in found:
        if one.id not in seen:
            fits = hit(asked, one.entries, level)
            if fits is not None:
                seen[one.id] = fits
