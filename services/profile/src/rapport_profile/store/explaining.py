"""What is read to say why identifiers are one person."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import USER_ID, Identifier
from rapport_profile.domain.explaining import Step
from rapport_profile.domain.naming import OF_USERS, Id
from rapport_profile.store.reads import Person

_OWNERS = text(
    "SELECT CAST(id AS text) AS id, CAST(profile_id AS text) AS profile_id "
    "FROM profile.identifier WHERE workspace = :workspace AND profile_id IS NOT NULL "
    "AND id = ANY(CAST(:ids AS uuid[]))"
)
_NAMES = text(
    "SELECT CAST(id AS text) AS id, kind, value FROM profile.identifier "
    "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS uuid[]))"
)
_MEMBERS = text(
    "SELECT CAST(id AS text) AS id, kind FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = :profile_id"
)
_AMONG = text(
    # The members are read first, whatever is estimated of their number: joined with themselves,
    # thousands would take seconds.
    "SELECT CAST(a AS text) AS a, CAST(b AS text) AS b, kind, timestamp, message_id, source "
    "FROM profile.link WHERE workspace = :workspace AND NOT void "
    "AND a = ANY(ARRAY(SELECT id FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = :profile_id))"
)


async def owners(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> dict[Id, Id]:
    """The profiles of identifiers, by their ids; who is nobody's is not among them."""
    rows = await tx.execute(_OWNERS, {"workspace": workspace, "ids": list(ids)})
    return {row.id: row.profile_id for row in rows}


async def names(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> dict[Id, Identifier]:
    """(kind, value) of identifiers, by their ids."""
    rows = await tx.execute(_NAMES, {"workspace": workspace, "ids": list(ids)})
    return {row.id: (row.kind, row.value) for row in rows}


async def among(tx: AsyncConnection, who: Person) -> list[Step]:
    """The links that count between identifiers of one person."""
    asked = who._asdict()
    kinds = {row.id: row.kind for row in await tx.execute(_MEMBERS, asked)}
    found = []
    for row in await tx.execute(_AMONG, asked):
        both_users = kinds[row.a] == kinds.get(row.b) == USER_ID
        if row.b in kinds and (row.kind in OF_USERS or not both_users):
            evidence = (row.timestamp, row.message_id, row.source)
            found.append(Step(row.a, row.b, row.kind, evidence))
    return found
