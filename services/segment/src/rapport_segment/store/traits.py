"""The computed traits of workspaces, as profile tells of them."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.trait import TraitDefinition, TraitType

_SAVE = text(
    "INSERT INTO segment.trait AS t (workspace, name, version, type, ended) "
    "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:names AS text[]), "
    "CAST(:versions AS bigint[]), CAST(:types AS text[]), CAST(:ended AS boolean[])) "
    "ON CONFLICT (workspace, name) DO UPDATE SET version = excluded.version, "
    "type = excluded.type, ended = excluded.ended WHERE t.version < excluded.version"
)
_TYPES = text("SELECT name, type FROM segment.trait WHERE workspace = :workspace AND NOT ended")


async def save(tx: AsyncConnection, some: Sequence[TraitDefinition]) -> None:
    """Keep versions that are newer than what is kept; in the order of their keys, each once."""
    await tx.execute(
        _SAVE,
        {
            "workspaces": [one.workspace for one in some],
            "names": [one.name for one in some],
            "versions": [one.version for one in some],
            "types": [one.type for one in some],
            "ended": [one.ended for one in some],
        },
    )


async def types(tx: AsyncConnection, workspace: str) -> dict[str, TraitType]:
    """What each trait of a workspace is."""
    rows = await tx.execute(_TYPES, {"workspace": workspace})
    return {row.name: row.type for row in rows}
