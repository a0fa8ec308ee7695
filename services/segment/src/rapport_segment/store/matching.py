"""Patterns in SQL: RE2 judges here, too. Postgres has another kind of patterns, so it is only asked
which texts there are, and then who has one of those that fit.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.leaves import MATCHES
from rapport_segment.domain.patterns import matches
from rapport_segment.domain.subjects import Compared
from rapport_segment.domain.tree import Leaf, Rule, leaves
from rapport_segment.store.places import Places, elements

MOST_TEXTS = 200_000

Matched = Mapping[tuple[Compared, str], list[str]]
"""The texts that fit a pattern, by subject and pattern."""


class TooManyTextsError(Exception):
    """A pattern would have to be held against more different texts than can be."""


async def matched(
    tx: AsyncConnection, rule: Rule, people: str, given: Mapping[str, Any]
) -> dict[tuple[Compared, str], list[str]]:
    """What the patterns of a rule fit among the texts of these `people`: a condition on `p`.

    TooManyTextsError if there are more than 200,000 different ones.
    """
    found: dict[tuple[Compared, str], list[str]] = {}
    for leaf in leaves(rule):
        key = key_of(leaf)
        if key is not None and key not in found:
            found[key] = [
                one for one in await _texts(tx, key[0], people, given) if matches(key[1], one)
            ]
    return found


def key_of(leaf: Leaf) -> tuple[Compared, str] | None:
    """Which pattern of which subject; None for another operator."""
    if leaf.op != MATCHES or not isinstance(leaf.value, str):
        return None
    subject: Any = leaf.subject
    return subject, leaf.value


async def _texts(
    tx: AsyncConnection, subject: Compared, people: str, given: Mapping[str, Any]
) -> list[str]:
    places = Places()
    x = places.read(subject)
    rows = await tx.execute(
        text(
            "SELECT DISTINCT v.told FROM segment.person p CROSS JOIN LATERAL ("
            f"SELECT {x} #>> '{{}}' AS told WHERE jsonb_typeof({x}) = 'string' UNION ALL "
            f"SELECT one.value #>> '{{}}' FROM {elements(x)} AS one "
            f"WHERE jsonb_typeof(one.value) = 'string') AS v WHERE {people} LIMIT :most"
        ),
        {**given, **places.parameters, "most": MOST_TEXTS + 1},
    )
    found = list(rows.scalars())
    if len(found) > MOST_TEXTS:
        raise TooManyTextsError
    return found
