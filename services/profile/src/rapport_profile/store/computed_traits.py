"""The computed traits of workspaces, each version of them kept."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.codec import encode
from rapport_profile.domain.computed.book import Trait, TraitBook, Traits
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.people import Profile
from rapport_profile.domain.published import Summary

_decoder = msgspec.json.Decoder(Definition)
APPLIED = ("filling", "telling", "live")


class Version(NamedTuple):
    """A version of a computed trait, by whom and why; `definition` is None of its end.

    `shown` is the version of the same name whose values people have, None where they have none.
    """

    name: str
    version: int
    id: int
    stage: str
    definition: Definition | None
    actor: str
    reason: str
    created_at: datetime
    shown: int | None


_PATIENT = text("SET LOCAL lock_timeout = '8s'")
_HOLD = text("LOCK TABLE profile.computed_trait IN ACCESS EXCLUSIVE MODE")
_CHANGED = text(
    "SELECT workspace, max(changed) AS changed, max(created_at) AS at FROM profile.computed_trait "
    "WHERE workspace = ANY(CAST(:workspaces AS text[])) GROUP BY workspace"
)
_SHOWN = (
    # One that is live comes before one that is being told; there is no other order behind it.
    "(SELECT s.version FROM profile.computed_trait s WHERE s.workspace = t.workspace "
    "AND s.name = t.name AND s.stage IN ('live', 'telling') "
    "ORDER BY s.stage <> 'live', s.id LIMIT 1)"
)
_COLUMNS = (
    "name, version, id, stage, CAST(definition AS text) AS definition, actor, reason, "
    f"created_at, {_SHOWN} AS shown"
)
_APPLIED = text(
    f"SELECT {_COLUMNS} FROM profile.computed_trait t WHERE workspace = :workspace "
    "AND stage = ANY(CAST(:stages AS text[])) ORDER BY id"
)
_CURRENT = (
    f"SELECT DISTINCT ON (name) {_COLUMNS} FROM profile.computed_trait t "
    "WHERE workspace = :workspace"
)
_LISTED = text(
    f"SELECT * FROM ({_CURRENT} AND (CAST(:after AS text) IS NULL OR name > :after) "
    "ORDER BY name, version DESC) AS latest WHERE definition IS NOT NULL "
    "ORDER BY name LIMIT :limit"
)
_ONE = text(f"{_CURRENT} AND name = :name ORDER BY name, version DESC")
_NAMES = text(
    f"SELECT name FROM ({_CURRENT} ORDER BY name, version DESC) AS latest "
    "WHERE definition IS NOT NULL OR created_at >= :since ORDER BY name"
)
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM profile.computed_trait t WHERE workspace = :workspace "
    "AND name = :name AND (CAST(:before AS bigint) IS NULL OR version < :before) "
    "ORDER BY version DESC LIMIT :limit"
)
_NEXT = (
    "(SELECT coalesce(max({0}), 0) + 1 FROM profile.computed_trait WHERE workspace = :workspace)"
)
_ADD = text(
    "INSERT INTO profile.computed_trait "
    "(workspace, name, version, id, changed, stage, definition, actor, reason) "
    f"VALUES (:workspace, :name, :version, {_NEXT.format('id')}, {_NEXT.format('changed')}, "
    ":stage, CAST(:definition AS json), :actor, :reason) RETURNING id"
)
_STAGE = text(
    f"UPDATE profile.computed_trait SET stage = :stage, changed = {_NEXT.format('changed')} "
    "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS bigint[])) "
    "AND stage = ANY(CAST(:former AS text[]))"
)
_REPLACED = text(
    f"UPDATE profile.computed_trait t SET stage = 'dropping', changed = {_NEXT.format('changed')} "
    "WHERE workspace = :workspace AND name = :name AND stage = ANY(CAST(:stages AS text[])) "
    f"AND (:ends OR version IS DISTINCT FROM {_SHOWN})"
)
_OVERTAKEN = (
    "profile.computed_trait n WHERE n.workspace = :workspace "
    "AND n.id = ANY(CAST(:ids AS bigint[])) AND n.stage = 'live' "
    "AND n.workspace = t.workspace AND n.name = t.name AND n.id > t.id"
)
_OVERTAKE = text(
    f"UPDATE profile.computed_trait t SET stage = 'dropping', changed = {_NEXT.format('changed')} "
    f"FROM {_OVERTAKEN} AND t.stage = ANY(CAST(:stages AS text[]))"
)
_FORMER = text(
    "SELECT t.id FROM profile.computed_trait t WHERE t.workspace = :workspace "
    f"AND t.stage = 'dropping' AND EXISTS (SELECT FROM {_OVERTAKEN}) ORDER BY t.id"
)
_NAMED = text(
    "SELECT DISTINCT name FROM profile.computed_trait WHERE workspace = :workspace "
    "AND id = ANY(CAST(:ids AS bigint[])) ORDER BY name"
)
_LEFT_OVER = text(
    "SELECT id FROM profile.computed_trait WHERE workspace = :workspace "
    "AND name = ANY(CAST(:names AS text[])) AND stage = 'dropping' ORDER BY id"
)


class TraitShelf:
    """Reads the computed traits that are applied; what has been read is kept until a change.

    A workspace's definitions are known again by how often they were changed, and when last.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, datetime], Traits]] = {}

    async def book(self, tx: AsyncConnection, workspaces: Collection[str]) -> TraitBook:
        """Those that hold for as long as the transaction lasts: `hold` waits for its end."""
        found = TraitBook()
        # A name with a NUL can't be asked for; there are no such workspaces.
        asked = sorted(one for one in workspaces if "\0" not in one)
        for row in (await tx.execute(_CHANGED, {"workspaces": asked})).fetchall():
            state = (row.changed, row.at)
            known = self._known.get(row.workspace)
            if known is None or known[0] != state:
                known = self._known[row.workspace] = (state, await applied(tx, row.workspace))
            found[row.workspace] = known[1]
        return found


SHELF = TraitShelf()


async def applied(tx: AsyncConnection, workspace: str) -> Traits:
    """The computed traits of a workspace as they are applied."""
    rows = await tx.execute(_APPLIED, {"workspace": workspace, "stages": list(APPLIED)})
    return Traits(_trait(row) for row in rows)


async def hold(tx: AsyncConnection) -> None:
    """Wait for all who work by definitions, and let nobody read them before this ends."""
    await tx.execute(_PATIENT)
    await tx.execute(_HOLD)


async def listed(
    tx: AsyncConnection, workspace: str, limit: int, after: str | None
) -> list[Version]:
    """The newest versions of those that are defined, by name, behind `after`."""
    asked = {"workspace": workspace, "after": after, "limit": limit}
    return [_version(row) for row in await tx.execute(_LISTED, asked)]


async def names(tx: AsyncConnection, workspace: str, *, ended_since: datetime) -> list[str]:
    """Those that are defined, and those that have ended since."""
    asked = {"workspace": workspace, "since": ended_since}
    return list((await tx.execute(_NAMES, asked)).scalars())


async def find(tx: AsyncConnection, workspace: str, name: str) -> Version | None:
    """The newest version of a name, which may be its end."""
    row = (await tx.execute(_ONE, {"workspace": workspace, "name": name})).first()
    return None if row is None else _version(row)


async def history(
    tx: AsyncConnection, workspace: str, name: str, limit: int, before: int | None
) -> list[Version]:
    """The versions of a name, the newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "name": name, "before": before, "limit": limit}
    return [_version(row) for row in await tx.execute(_HISTORY, asked)]


async def add(
    tx: AsyncConnection,
    workspace: str,
    name: str,
    version: int,
    definition: Definition | None,
    *,
    by: tuple[str, str],
) -> int:
    """A new version, or (None) the end, in the place of what held; its id. `by`: (who, why).

    The version that people have the values of stays until the new one is filled.
    """
    asked = {"workspace": workspace, "name": name, "stages": list(APPLIED)}
    await tx.execute(_REPLACED, {**asked, "ends": definition is None})
    actor, reason = by
    added = await tx.execute(
        _ADD,
        {
            "workspace": workspace,
            "name": name,
            "version": version,
            "stage": "dropped" if definition is None else "filling",
            "definition": None if definition is None else encode(definition).decode(),
            "actor": actor,
            "reason": reason,
        },
    )
    return int(added.scalar_one())


async def move_on(
    tx: AsyncConnection, workspace: str, ids: Sequence[int], stage: str, former: Sequence[str]
) -> None:
    """Versions that are in one of the stages `former` come into another one."""
    asked = {"workspace": workspace, "ids": list(ids), "stage": stage, "former": list(former)}
    await tx.execute(_STAGE, asked)


async def go_live(tx: AsyncConnection, workspace: str, ids: Sequence[int]) -> list[int]:
    """Let versions of which all is there be shown, in the place of those before them; these.

    Done again it finds them again, until their states are removed.
    """
    await move_on(tx, workspace, ids, "live", ["telling"])
    asked = {"workspace": workspace, "ids": list(ids)}
    await tx.execute(_OVERTAKE, {**asked, "stages": list(APPLIED)})
    return list((await tx.execute(_FORMER, asked)).scalars())


async def named(tx: AsyncConnection, workspace: str, ids: Sequence[int]) -> list[str]:
    """The names of versions."""
    asked = {"workspace": workspace, "ids": list(ids)}
    return list((await tx.execute(_NAMED, asked)).scalars())


async def settle(
    tx: AsyncConnection, workspace: str, people: Sequence[Summary] | Sequence[Profile]
) -> None:
    """Let people have the values that are shown now, as they are to be read."""
    if any(one.values or one.coming for one in people):
        traits = (await SHELF.book(tx, {workspace})).of(workspace)
        for one in people:
            one.values, one.coming = traits.shown(one.all_values), {}


async def left_over(tx: AsyncConnection, workspace: str, names: Sequence[str]) -> list[int]:
    """The ids of former versions of names whose states are still to be removed."""
    asked = {"workspace": workspace, "names": list(names)}
    return list((await tx.execute(_LEFT_OVER, asked)).scalars())


def _trait(row: Any) -> Trait:
    return Trait(row.id, row.name, row.version, row.stage, _decoder.decode(row.definition))


def _version(row: Any) -> Version:
    definition = None if row.definition is None else _decoder.decode(row.definition)
    return Version(
        row.name,
        row.version,
        row.id,
        row.stage,
        definition,
        row.actor,
        row.reason,
        row.created_at,
        row.shown,
    )
