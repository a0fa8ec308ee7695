"""Patterns in SQL: RE2 judges here, too. Postgres has another kind of patterns, so it is only asked
which texts there are, and then who has one of those that fit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.asked_patterns import Asked, asked_of_events, asked_of_groups, key_of
from rapport_segment.domain.event_subjects import OfEvents
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.patterns import matches
from rapport_segment.domain.subjects import Compared
from rapport_segment.domain.tree import Rule, leaves
from rapport_segment.store.places import Places, elements
from rapport_segment.store.turns import Between, in_turns

MOST_TEXTS = 200_000

Matched = Mapping[tuple[Compared, str], list[str]]
"""The texts that fit a pattern, by subject and pattern."""


class TooManyTextsError(Exception):
    """A pattern would have to be held against more different texts than can be."""


async def matched(
    tx: AsyncConnection,
    rule: Rule,
    people: str,
    given: Mapping[str, Any],
    before: Between | None = None,
) -> dict[tuple[Compared, str], list[str]]:
    """What the patterns of a rule fit among the texts of these `people`: a condition on `p`.

    TooManyTextsError if there are more than 200,000 different ones. `before` is called before
    each question, and while the texts are looked at.
    """
    found: dict[tuple[Compared, str], list[str]] = {}
    for leaf in leaves(rule):
        if isinstance(leaf.subject, OfEvents):
            for name, asked in asked_of_events(leaf, leaf.subject):
                if before is not None:
                    await before()
                told = await _texts_told(tx, given["workspace"], name, asked[0])
                await _note(tx, found, asked, told, before)
        elif isinstance(leaf.subject, InGroup):
            for asked in asked_of_groups(leaf.subject):
                if before is not None:
                    await before()
                told = await _texts_of_groups(tx, leaf.subject.kind, asked[0], people, given)
                await _note(tx, found, asked, told, before)
        elif (key := key_of(leaf)) is not None:
            if before is not None:
                await before()
            await _note(tx, found, key, await _texts(tx, key[0], people, given), before)
    return found


async def _note(
    tx: AsyncConnection,
    found: dict[Asked, list[str]],
    key: Asked,
    texts: Sequence[str],
    between: Between | None,
) -> None:
    """More texts that fit: of a trait, and of a property that is called alike."""
    fitting = set(found.get(key, ()))
    async for one in in_turns(tx, texts, between):
        if matches(key[1], one):
            fitting.add(one)
    found[key] = sorted(fitting)


async def _texts_told(
    tx: AsyncConnection, workspace: str, name: str, subject: Compared
) -> list[str]:
    """Of the events of a name."""
    places = Places()
    row = (
        "(SELECT h.properties AS traits FROM segment.happening h "
        f"WHERE h.workspace = :workspace AND h.name = {places.text(name)}) AS p"
    )
    x = places.read(subject)
    return await _distinct(tx, x, row, "true", {"workspace": workspace, **places.parameters})


async def _texts_of_groups(
    tx: AsyncConnection, kind: str, subject: Compared, people: str, given: Mapping[str, Any]
) -> list[str]:
    """Of the groups of a kind that these people are in."""
    places = Places()
    groups = f"CROSS JOIN LATERAL {places.groups(kind, 'g')}"
    row = f"(SELECT g.traits FROM segment.person p {groups} WHERE {people}) AS p"
    x = places.read(subject)
    return await _distinct(tx, x, row, "true", {**given, **places.parameters})


async def _texts(
    tx: AsyncConnection, subject: Compared, people: str, given: Mapping[str, Any]
) -> list[str]:
    places = Places()
    x = places.read(subject)
    return await _distinct(tx, x, "segment.person p", people, {**given, **places.parameters})


async def _distinct(
    tx: AsyncConnection, x: str, row: str, where: str, given: Mapping[str, Any]
) -> list[str]:
    """The texts that `x` is of these rows, or that are in a list that it is."""
    rows = await tx.execute(
        text(
            f"SELECT DISTINCT v.told FROM {row} CROSS JOIN LATERAL ("
            f"SELECT {x} #>> '{{}}' AS told WHERE jsonb_typeof({x}) = 'string' UNION ALL "
            f"SELECT one.value #>> '{{}}' FROM {elements(x)} AS one "
            f"WHERE jsonb_typeof(one.value) = 'string') AS v WHERE {where} LIMIT :most"
        ),
        {**given, "most": MOST_TEXTS + 1},
    )
    found = list(rows.scalars())
    if len(found) > MOST_TEXTS:
        raise TooManyTextsError
    return found
