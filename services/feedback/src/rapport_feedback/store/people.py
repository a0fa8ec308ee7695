"""Profiles and their identifiers, as was told last."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_common.events.envelope import Identifier
from rapport_common.follower.domain import Key
from rapport_common.follower.follower import Follower
from rapport_feedback.tables import FOLLOWED

FOLLOWER = Follower(FOLLOWED)
IDENTIFIERS, RESTRAINTS, CONTACT_POINTS, TRAITS = range(len(FOLLOWED.sections))

Claim = tuple[str, str, str, str]
"""(workspace, kind, value, profile id)."""


async def claims(tx: AsyncConnection, profiles: Iterable[Key]) -> set[Claim]:
    """All identifiers of some profiles."""
    keys = sorted(profiles)
    rows = await tx.execute(
        text(
            "SELECT i.workspace, i.kind, i.value, i.profile_id FROM unnest("
            f"{packed_texts('workspaces')}, {packed_texts('profiles')}) "
            "AS v(workspace, profile_id) "
            "JOIN feedback.identity i USING (workspace, profile_id)"
        ),
        {
            "workspaces": pack_texts([key[0] for key in keys]),
            "profiles": pack_texts([key[1] for key in keys]),
        },
    )
    return {(row.workspace, row.kind, row.value, row.profile_id) for row in rows}


_CLAIMS = (
    f"unnest({packed_texts('workspaces')}, {packed_texts('kinds')}, {packed_texts('values')}, "
    f"{packed_texts('profiles')}) AS v(workspace, kind, value, profile_id)"
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
        "workspaces": pack_texts([one[0] for one in ordered]),
        "kinds": pack_texts([one[1] for one in ordered]),
        "values": pack_texts([one[2] for one in ordered]),
        "profiles": pack_texts([one[3] for one in ordered]),
    }
    await tx.execute(text(statement), parameters)


async def restrict(tx: AsyncConnection, spoken: Iterable[Key], restricted: Iterable[Key]) -> None:
    """Note of which of the profiles `spoken` of the data are only to be kept."""
    for statement, keys in ((_LIFT, sorted(spoken)), (_RESTRICT, sorted(restricted))):
        if keys:
            given = {
                "workspaces": pack_texts([key[0] for key in keys]),
                "profiles": pack_texts([key[1] for key in keys]),
            }
            await tx.execute(statement, given)


_KEYS = (
    f"unnest({packed_texts('workspaces')}, {packed_texts('profiles')}) AS v(workspace, profile_id)"
)
_LIFT = text(
    f"DELETE FROM feedback.restricted AS r USING {_KEYS} "
    "WHERE r.workspace = v.workspace AND r.profile_id = v.profile_id"
)
_RESTRICT = text(f"INSERT INTO feedback.restricted SELECT * FROM {_KEYS} ON CONFLICT DO NOTHING")


async def profile_of(
    tx: AsyncConnection, workspace: str, identifiers: Sequence[Identifier]
) -> str | None:
    """The person who has the first of these identifiers that anybody has."""
    for kind, value in identifiers:
        found = await tx.scalar(
            text(
                "SELECT profile_id FROM feedback.identity WHERE workspace = :workspace "
                "AND kind = :kind AND value = :value ORDER BY profile_id LIMIT 1"
            ),
            {"workspace": workspace, "kind": kind, "value": value},
        )
        if found is not None:
            return str(found)
    return None
