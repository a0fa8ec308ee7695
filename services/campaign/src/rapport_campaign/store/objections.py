"""What people have said no to, by address: it holds for every profile that has the address."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Purpose
from rapport_common.events.consent import ConsentWord
from rapport_common.follower.domain import Key
from rapport_common.follower.store import MAX_CHAIN

_REPLACE = text(
    "WITH said AS (SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:profiles AS text[]), "
    "CAST(:addresses AS text[]), CAST(:purposes AS text[]), CAST(:words AS text[])) "
    "AS v(workspace, profile_id, address, purpose, word)), "
    "told AS (SELECT * FROM unnest(CAST(:told_workspaces AS text[]), CAST(:told AS text[])) "
    "AS v(workspace, profile_id)), "
    "taken_back AS (DELETE FROM campaign.objection o USING told WHERE "
    "o.workspace = told.workspace AND o.profile_id = told.profile_id AND NOT EXISTS ("
    "SELECT 1 FROM said WHERE said.workspace = o.workspace "
    "AND said.profile_id = o.profile_id AND said.address = o.address "
    "AND said.purpose = o.purpose)) "
    "INSERT INTO campaign.objection AS o (workspace, address, purpose, profile_id, word) "
    "SELECT workspace, address, purpose, profile_id, word FROM said "
    "ORDER BY workspace, address, purpose, profile_id "
    "ON CONFLICT (workspace, address, purpose, profile_id) DO UPDATE SET word = excluded.word "
    "WHERE o.word <> excluded.word RETURNING o.workspace, o.address"
)
# Each profile's way to who it is now. `told`: at every step the heir's state was new enough to
# speak for both.
_ABOUT = text(
    "WITH RECURSIVE path AS ("
    "SELECT o.workspace, o.address, o.purpose, o.word, o.profile_id AS at, true AS told, "
    "0 AS depth FROM campaign.objection o WHERE (o.workspace, o.address) IN ("
    "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:addresses AS text[]))) "
    "UNION ALL SELECT path.workspace, path.address, path.purpose, path.word, p.heir, "
    "path.told AND coalesce(next.version >= p.into_version, false), depth + 1 "
    "FROM path JOIN campaign.person p ON p.workspace = path.workspace AND p.profile_id = path.at "
    "AND p.heir IS NOT NULL LEFT JOIN campaign.person next "
    "ON next.workspace = p.workspace AND next.profile_id = p.heir WHERE depth < :deep) "
    "SELECT workspace, address, purpose, word, at, told FROM path WHERE NOT EXISTS ("
    "SELECT 1 FROM campaign.person p WHERE p.workspace = path.workspace "
    "AND p.profile_id = path.at AND p.heir IS NOT NULL AND path.depth < :deep)"
)


@dataclass(frozen=True, slots=True)
class Objection:
    """A no to a purpose at an address.

    `profile_id` is who says it now; `told` whether that profile's own state has the word, too.
    """

    address: str
    purpose: Purpose
    word: ConsentWord
    profile_id: str
    told: bool


Said = Mapping[tuple[str, str], ConsentWord]
"""Words by (address, purpose)."""


async def replace(tx: AsyncConnection, said: Mapping[Key, Said]) -> list[tuple[str, str]]:
    """What each of these profiles objects to, instead of what is stored of it.

    Gives the (workspace, address) of new words.
    """
    if not said:
        return []
    rows = [
        (workspace, profile_id, address, purpose, word)
        for (workspace, profile_id), words in said.items()
        for (address, purpose), word in words.items()
    ]
    columns: Sequence[Sequence[str]] = list(zip(*rows, strict=True)) if rows else [()] * 5
    names = ("workspaces", "profiles", "addresses", "purposes", "words")
    told = list(said)
    result = await tx.execute(
        _REPLACE,
        {
            **{name: list(column) for name, column in zip(names, columns, strict=True)},
            "told_workspaces": [one[0] for one in told],
            "told": [one[1] for one in told],
        },
    )
    return [(row.workspace, row.address) for row in result]


async def about(
    tx: AsyncConnection, addresses: Iterable[tuple[str, str]]
) -> dict[str, list[Objection]]:
    """Per workspace: the objections at the given (workspace, address)."""
    wanted = sorted(set(addresses))
    found: dict[str, list[Objection]] = {}
    if not wanted:
        return found
    rows = await tx.execute(
        _ABOUT,
        {
            "workspaces": [one[0] for one in wanted],
            "addresses": [one[1] for one in wanted],
            "deep": MAX_CHAIN,
        },
    )
    for row in rows:
        objection = Objection(row.address, row.purpose, row.word, row.at, row.told)
        found.setdefault(row.workspace, []).append(objection)
    return found
