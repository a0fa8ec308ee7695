"""Who was invited when, by any name of theirs; and the lock under which that is asked.

Two transactions that invite one person take turns, whatever names they know: each holds a place
for every name of the person, those of its profile included. There are `PLACES` for a workspace, so
that many people are held with few locks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zlib import crc32

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import AppError
from rapport_common.events.envelope import Identifier

PLACES = 256
TRIES = 5

_WHO = text(
    "WITH RECURSIVE given AS (SELECT * FROM unnest(CAST(:at AS int[]), CAST(:kinds AS text[]), "
    "CAST(:values AS text[])) AS v(at, kind, value)), "
    "who AS (SELECT given.at, i.profile_id FROM given JOIN feedback.identity i "
    "ON i.workspace = :workspace AND i.kind = given.kind AND i.value = given.value "
    "UNION SELECT who.at, other.profile_id FROM who JOIN feedback.identity i "
    "ON i.workspace = :workspace AND i.profile_id = who.profile_id JOIN feedback.identity other "
    "ON other.workspace = i.workspace AND other.kind = i.kind AND other.value = i.value) "
    "SELECT who.at, who.profile_id, i.kind, i.value FROM who JOIN feedback.identity i "
    "ON i.workspace = :workspace AND i.profile_id = who.profile_id"
)
_HOLD = text(
    "SELECT pg_advisory_xact_lock(hashtext('contact_history/' || :workspace), place) "
    "FROM unnest(CAST(:places AS int[])) AS place"
)
_INVITED = text(
    "WITH v AS (SELECT * FROM unnest(CAST(:at AS int[]), CAST(:kinds AS text[]), "
    "CAST(:values AS text[])) AS u(at, kind, value)) "
    + " UNION ALL ".join(
        f"SELECT v.at, i.survey_id, max(i.created_at) FROM v JOIN feedback.invitation i "
        f"ON i.workspace = :workspace AND i.{kind} = v.value "
        f"WHERE v.kind = '{kind}' AND i.{kind} IS NOT NULL GROUP BY 1, 2"
        for kind in ("user_id", "email", "anonymous_id")
    )
)
_ANSWERED = text(
    "SELECT DISTINCT v.at FROM unnest(CAST(:at AS int[]), CAST(:kinds AS text[]), "
    "CAST(:values AS text[])) AS v(at, kind, value) JOIN feedback.response r "
    "ON r.workspace = :workspace AND r.survey_id = :survey_id AND r.wave = :wave "
    "AND r.kind = v.kind AND r.value = v.value"
)
_RESTRICTED = text(
    "SELECT profile_id FROM feedback.restricted WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:profiles AS text[]))"
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody by all their names that are known, and the profiles that have these."""

    identifiers: frozenset[Identifier]
    profiles: frozenset[str] = frozenset()


class MovingError(AppError):
    """Who is who has changed again and again while it was asked."""

    status = 503
    code = "busy"

    def __init__(self) -> None:
        super().__init__("Profiles of this person are being merged. Send it again in a moment.")


async def people(
    tx: AsyncConnection, workspace: str, named: Sequence[Sequence[Identifier]]
) -> list[Person]:
    """Each person with the names of all profiles that have any of theirs; nothing is locked."""
    given = [(at, kind, value) for at, names in enumerate(named) for kind, value in names]
    rows = await tx.execute(_WHO, {"workspace": workspace, **_columns(given)})
    names = [set(map(tuple, one)) for one in named]
    profiles: list[set[str]] = [set() for _ in named]
    for at, profile_id, kind, value in rows:
        names[at].add((kind, value))
        profiles[at].add(profile_id)
    return [
        Person(frozenset((kind, value) for kind, value in own), frozenset(have))
        for own, have in zip(names, profiles, strict=True)
    ]


async def hold(
    tx: AsyncConnection, workspace: str, named: Sequence[Sequence[Identifier]]
) -> list[Person]:
    """The same, and nobody else invites any of them until the end of the transaction.

    MovingError when they are merged as fast as they are read.
    """
    found = await people(tx, workspace, named)
    for _ in range(TRIES):
        places = _places(found)
        # What was held for too few names is given back, so that all hold in one order.
        point = await tx.begin_nested()
        await tx.execute(_HOLD, {"workspace": workspace, "places": sorted(places)})
        found = await people(tx, workspace, named)
        if _places(found) <= places:
            await point.commit()
            return found
        await point.rollback()
    raise MovingError


def _places(found: Sequence[Person]) -> set[int]:
    return {
        crc32(f"{kind}\0{value}".encode()) % PLACES
        for one in found
        for kind, value in one.identifiers
    }


async def invited(
    tx: AsyncConnection, workspace: str, persons: Sequence[Person]
) -> list[dict[UUID, datetime]]:
    """When each was last invited to each survey, in the order given."""
    found: list[dict[UUID, datetime]] = [{} for _ in persons]
    for at, survey_id, last in await tx.execute(_INVITED, _given(workspace, persons)):
        found[at][survey_id] = max(last, found[at].get(survey_id, last))
    return found


async def answered(
    tx: AsyncConnection, workspace: str, persons: Sequence[Person], survey_id: UUID, wave: int
) -> set[int]:
    """The places of those who have an answer in a wave, by any of their names."""
    given = {**_given(workspace, persons), "survey_id": survey_id, "wave": wave}
    return set((await tx.execute(_ANSWERED, given)).scalars())


async def restricted(tx: AsyncConnection, workspace: str, persons: Sequence[Person]) -> set[int]:
    """The places of those of whom any profile's data are only to be kept."""
    profiles = sorted({profile for one in persons for profile in one.profiles})
    rows = await tx.execute(_RESTRICTED, {"workspace": workspace, "profiles": profiles})
    kept = set(rows.scalars())
    return {at for at, one in enumerate(persons) if kept & one.profiles}


def _given(workspace: str, persons: Sequence[Person]) -> dict[str, object]:
    rows = [(at, *name) for at, one in enumerate(persons) for name in sorted(one.identifiers)]
    return {"workspace": workspace, **_columns(rows)}


def _columns(rows: Sequence[tuple[int, str, str]]) -> dict[str, object]:
    return {
        "at": [one[0] for one in rows],
        "kinds": [one[1] for one in rows],
        "values": [one[2] for one in rows],
    }
