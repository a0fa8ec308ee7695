"""Profiles and their identifiers, as was told last."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.follower.domain import Key
from rapport_common.follower.follower import Follower
from rapport_feedback.tables import FOLLOWED

FOLLOWER = Follower(FOLLOWED)

Claim = tuple[str, str, str, str]
"""(workspace, kind, value, profile id)."""


async def claims(tx: AsyncConnection, profiles: Iterable[Key]) -> set[Claim]:
    """All identifiers of some profiles."""
    keys = sorted(profiles)
    rows = await tx.execute(
        text(
            "SELECT i.workspace, i.kind, i.value, i.profile_id FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:profiles AS text[])) AS v(workspace, profile_id) "
            "JOIN feedback.identity i USING (workspace, profile_id)"
        ),
        {"workspaces": [key[0] for key in keys], "profiles": [key[1] for key in keys]},
    )
    return {(row.workspace, row.kind, row.value, row.profile_id) for row in rows}


_CLAIMS = (
    "unnest(CAST(:workspaces AS text[]), CAST(:kinds AS text[]), CAST(:values AS text[]), "
    "CAST(:profiles AS text[])) AS v(workspace, kind, value, profile_id)"
)


async def add_claims(tx: AsyncConnection, added: Iterable[Claim]) -> None:
    """Note that profiles have identifiers."""
    await _execute(
        tx, f"INSERT INTO feedback.identity SELECT * FROM {_CLAIMS} ON CONFLICT DO NOTHING", added
    )


async def remove_claims(tx: AsyncConnection, removed: Iterable[Claim]) -> None:
    """Note that profiles have identifiers no longer."""
    await _execute(
        tx,
        f"DELETE FROM feedback.identity AS i USING {_CLAIMS} WHERE i.workspace = v.workspace "
        "AND i.kind = v.kind AND i.value = v.value AND i.profile_id = v.profile_id",
        removed,
    )


async def _execute(tx: AsyncConnection, statement: str, claimed: Iterable[Claim]) -> None:
    ordered = sorted(claimed)
    if not ordered:
        return
    parameters = {
        "workspaces": [one[0] for one in ordered],
        "kinds": [one[1] for one in ordered],
        "values": [one[2] for one in ordered],
        "profiles": [one[3] for one in ordered],
    }
    await tx.execute(text(statement), parameters)
