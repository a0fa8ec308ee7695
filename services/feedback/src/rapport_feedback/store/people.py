"""Profiles and their identifiers, as the newest snapshots say."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.people import ProfileKey, Snapshot

Claim = tuple[str, str, str, str]
"""(workspace, kind, value, profile id)."""


async def apply(tx: AsyncConnection, snapshots: Sequence[Snapshot]) -> set[ProfileKey]:
    """Write the snapshots that are newer than what is stored; the profiles they are about.

    Locks the rows in the order of their keys. At the same version a merge is the newer one.
    """
    ordered = sorted(snapshots, key=lambda one: one.key)
    rows = await tx.execute(
        text(
            "INSERT INTO feedback.person AS p (workspace, profile_id, version, merged_into) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:profiles AS text[]), "
            "CAST(:versions AS bigint[]), CAST(:merged AS text[])) "
            "ON CONFLICT (workspace, profile_id) DO UPDATE "
            "SET version = excluded.version, merged_into = excluded.merged_into "
            "WHERE excluded.version > p.version OR (excluded.version = p.version "
            "AND excluded.merged_into IS NOT NULL AND p.merged_into IS NULL) "
            "RETURNING workspace, profile_id"
        ),
        {
            "workspaces": [one.workspace for one in ordered],
            "profiles": [one.profile_id for one in ordered],
            "versions": [one.version for one in ordered],
            "merged": [one.merged_into for one in ordered],
        },
    )
    return {(row.workspace, row.profile_id) for row in rows}


async def claims(tx: AsyncConnection, profiles: Iterable[ProfileKey]) -> set[Claim]:
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
