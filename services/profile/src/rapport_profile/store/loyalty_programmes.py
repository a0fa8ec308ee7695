"""The loyalty programmes of workspaces, each version of them kept."""

import time
from collections.abc import Callable, Collection, Mapping
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
_COLUMNS = (
    "p.version, CAST(p.programme AS text) AS programme, p.since, p.actor, p.reason, p.created_at"
)
_START = (
    # The first version also holds for what happened since the programme counts.
    "CASE WHEN p.version = 1 THEN least(p.since, s.counts_from) ELSE p.since END"
)
_ALL = text(
    "SELECT workspace, version, CAST(programme AS text) AS programme "
    "FROM profile.loyalty_programme ORDER BY workspace, version"
)
_OF = text(
    f"SELECT p.workspace, CAST(p.programme AS text) AS programme, {_START} AS since "
    "FROM profile.loyalty_programme p LEFT JOIN profile.loyalty_start s USING (workspace) "
    "WHERE p.workspace = ANY(CAST(:workspaces AS text[])) ORDER BY p.workspace, p.version"
)
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM profile.loyalty_programme p WHERE workspace = :workspace "
    "AND (CAST(:before AS bigint) IS NULL OR version < :before) ORDER BY version DESC LIMIT :limit"
)
_ADD = text(
    "INSERT INTO profile.loyalty_programme AS p "
    "(workspace, version, programme, since, actor, reason) "
    "VALUES (:workspace, :version, CAST(:programme AS json), :since, :actor, :reason) "
    f"ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
)
_BEGIN = text(
    "INSERT INTO profile.loyalty_start AS s (workspace, counts_from, actor, reason) "
    "VALUES (:workspace, :counts_from, :actor, :reason) ON CONFLICT (workspace) DO UPDATE "
    "SET counts_from = excluded.counts_from, actor = excluded.actor, reason = excluded.reason, "
    "created_at = excluded.created_at WHERE excluded.counts_from < s.counts_from"
)
_NOW = text("SELECT clock_timestamp()")
_PATIENT = text("SET LOCAL lock_timeout = '8s'")
_HOLD = text("LOCK TABLE profile.loyalty_programme IN ACCESS EXCLUSIVE MODE")


class Declared(NamedTuple):
    """One version of a workspace's programme, by whom and why."""

    version: int
    programme: Programme
    since: datetime
    actor: str
    reason: str
    created_at: datetime


NO_VERSIONS: Mapping[str, int] = {}


class _Known(NamedTuple):
    """What was read, when, and of which versions."""

    at: float
    names: dict[str, frozenset[str]]
    versions: dict[str, int]

    def has(self, versions: Mapping[str, int]) -> bool:
        return all(self.versions.get(one, 0) >= version for one, version in versions.items())


class Shelf:
    """Which events the programmes speak of, by workspace: known without a query most of the time.

    Where no workspace has a programme, a second costs one query however many batches it has. Who
    works on events knows which versions there are (`store.rules`), and may ask for these.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: WeakKeyDictionary[Engine, _Known]
        self._known = WeakKeyDictionary()

    async def names(
        self, tx: AsyncConnection, versions: Mapping[str, int] = NO_VERSIONS
    ) -> dict[str, frozenset[str]]:
        """The events besides those of orders, by workspace: of those that have a programme.

        At least by these `versions` of workspaces.
        """
        engine = tx.sync_connection.engine if tx.sync_connection is not None else None
        known = self._known.get(engine) if engine is not None else None
        fresh = known is not None and self._clock() - known.at < REFRESH_SECONDS
        if known is not None and fresh and known.has(versions):
            return known.names
        at, found, read = self._clock(), dict[str, frozenset[str]](), dict[str, int]()
        for row in await tx.execute(_ALL):
            names = _decoder.decode(row.programme).event_names
            found[row.workspace] = found.get(row.workspace, frozenset()) | names
            read[row.workspace] = row.version
        if engine is not None:
            self._known[engine] = _Known(at, found, read)
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


async def begin_earlier(
    tx: AsyncConnection, workspace: str, counts_from: datetime, *, by: tuple[str, str]
) -> None:
    """Let the programme count from then on, if that is earlier than what is known (`by`: who, why).

    Who settles by the former beginning is waited for: see `hold`.
    """
    asked = {"workspace": workspace, "counts_from": counts_from, "actor": by[0], "reason": by[1]}
    await tx.execute(_BEGIN, asked)


async def hold(tx: AsyncConnection) -> None:
    """Wait for batches, and let none begin: those after it know what was declared."""
    await tx.execute(_PATIENT)
    await tx.execute(_HOLD)


async def now(tx: AsyncConnection) -> datetime:
    """The database's time."""
    found: datetime = (await tx.execute(_NOW)).scalar_one()
    return found


def _declared(row: Any) -> Declared:
    programme = _decoder.decode(row.programme)
    return Declared(row.version, programme, row.since, row.actor, row.reason, row.created_at)
