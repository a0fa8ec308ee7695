"""The loyalty programmes of workspaces, each version of them kept."""

import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import Engine, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import after_commit
from rapport_common.events.codec import encode
from rapport_profile.domain.loyalty.programme import Programme, Version

REFRESH_SECONDS = 1.0
"""So old what is known of programmes may be; a version holds later than that, see `declare`."""

_decoder = msgspec.json.Decoder(Programme)
_COLUMNS = "version, CAST(programme AS text) AS programme, since, actor, reason, created_at"
_ALL = text(
    "SELECT workspace, version, CAST(programme AS text) AS programme "
    "FROM profile.loyalty_programme ORDER BY workspace, version"
)
_OF = text(
    f"SELECT workspace, {_COLUMNS} FROM profile.loyalty_programme "
    "WHERE workspace = ANY(CAST(:workspaces AS text[])) ORDER BY workspace, version"
)
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM profile.loyalty_programme WHERE workspace = :workspace "
    "AND (CAST(:before AS bigint) IS NULL OR version < :before) ORDER BY version DESC LIMIT :limit"
)
_ADD = text(
    "INSERT INTO profile.loyalty_programme (workspace, version, programme, since, actor, reason) "
    "VALUES (:workspace, :version, CAST(:programme AS json), :since, :actor, :reason) "
    f"ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
)
_NOW = text("SELECT clock_timestamp()")


class Declared(NamedTuple):
    """One version of a workspace's programme, by whom and why."""

    version: int
    programme: Programme
    since: datetime
    actor: str
    reason: str
    created_at: datetime


class Shelf:
    """Which events the programmes speak of, by workspace: known without a query most of the time.

    Where no workspace has a programme, a second costs one query however many batches it has.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: WeakKeyDictionary[Engine, tuple[float, dict[str, frozenset[str]]]]
        self._known = WeakKeyDictionary()

    async def names(self, tx: AsyncConnection) -> dict[str, frozenset[str]]:
        """The events besides those of orders, by workspace: of those that have a programme."""
        engine = tx.sync_connection.engine if tx.sync_connection is not None else None
        known = self._known.get(engine) if engine is not None else None
        if known is not None and self._clock() - known[0] < REFRESH_SECONDS:
            return known[1]
        at, found = self._clock(), dict[str, frozenset[str]]()
        for row in await tx.execute(_ALL):
            names = _decoder.decode(row.programme).event_names
            found[row.workspace] = found.get(row.workspace, frozenset()) | names
        if engine is not None:
            self._known[engine] = (at, found)
        return found

    def forget(self) -> None:
        """Look again."""
        self._known.clear()


SHELF = Shelf()
"""One for a process: batches, requests and jobs ask for the same."""


async def versions(tx: AsyncConnection, workspaces: Collection[str]) -> dict[str, list[Version]]:
    """The versions of programmes in the order in which they hold, by workspace."""
    found: dict[str, list[Version]] = {one: [] for one in workspaces}
    for row in await tx.execute(_OF, {"workspaces": sorted(workspaces)}):
        found[row.workspace].append(Version(row.since, _decoder.decode(row.programme)))
    return found


async def history(
    tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
) -> list[Declared]:
    """The versions, the newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "before": before, "limit": limit}
    return [_declared(row) for row in await tx.execute(_HISTORY, asked)]


async def add(
    tx: AsyncConnection,
    workspace: str,
    version: int,
    programme: Programme,
    *,
    since: datetime,
    by: tuple[str, str],
) -> Declared | None:
    """A new version (`by`: who, why); None when there is one of this number."""
    actor, reason = by
    asked = {
        "workspace": workspace,
        "version": version,
        "programme": encode(programme).decode(),
        "since": since,
        "actor": actor,
        "reason": reason,
    }
    row = (await tx.execute(_ADD, asked)).first()
    after_commit(tx, SHELF.forget)
    return None if row is None else _declared(row)


async def now(tx: AsyncConnection) -> datetime:
    """The database's time."""
    found: datetime = (await tx.execute(_NOW)).scalar_one()
    return found


def _declared(row: Any) -> Declared:
    programme = _decoder.decode(row.programme)
    return Declared(row.version, programme, row.since, row.actor, row.reason, row.created_at)
