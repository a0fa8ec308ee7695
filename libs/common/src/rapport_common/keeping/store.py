"""Versions of a workspace's retention rules, and how much has gone by them."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = "version, CAST(days AS text) AS days, actor, reason, created_at"


class Version(NamedTuple):
    """One version of the rules: days by class, by whom and why."""

    version: int
    days: Mapping[str, int]
    actor: str | None
    reason: str | None
    created_at: datetime | None


class Gone(NamedTuple):
    """How many rows of a class have gone on a day (UTC)."""

    day: date
    name: str
    rows: int


NONE_YET = Version(0, {}, None, None, None)
"""Nobody has declared any: each class is kept for ever."""


class KeepingStore:
    """The rules in one service's schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def latest(self, tx: AsyncConnection, workspace: str) -> Version:
        """The rules that hold."""
        (found,) = [*await self.history(tx, workspace, 1), NONE_YET][:1]
        return found

    async def history(
        self, tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
    ) -> list[Version]:
        """The versions, the newest first: those older than `before`, if given."""
        query = (
            f"SELECT {_COLUMNS} FROM {self._schema}.retention_rules WHERE workspace = :workspace "
            "AND (CAST(:before AS bigint) IS NULL OR version < CAST(:before AS bigint)) "
            "ORDER BY version DESC LIMIT :limit"
        )
        asked = {"workspace": workspace, "before": before, "limit": limit}
        return [_version(row) for row in await tx.execute(text(query), asked)]

    async def add(
        self,
        tx: AsyncConnection,
        workspace: str,
        version: int,
        days: Mapping[str, int],
        by: tuple[str, str],
    ) -> Version | None:
        """A new version (`by`: who, why); None when there is one of this number."""
        query = (
            f"INSERT INTO {self._schema}.retention_rules (workspace, version, days, actor, reason) "
            "VALUES (:workspace, :version, CAST(:days AS json), :actor, :reason) "
            f"ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
        )
        actor, reason = by
        made = {"version": version, "days": json.dumps(days), "actor": actor, "reason": reason}
        row = (await tx.execute(text(query), {"workspace": workspace, **made})).first()
        return None if row is None else _version(row)

    async def workspaces(self, tx: AsyncConnection) -> list[str]:
        """Those that have rules."""
        query = f"SELECT DISTINCT workspace FROM {self._schema}.retention_rules ORDER BY workspace"
        return list((await tx.execute(text(query))).scalars())

    async def note_gone(self, tx: AsyncConnection, workspace: str, name: str, rows: int) -> None:
        """So many rows of a class have gone today (UTC)."""
        query = (
            f"INSERT INTO {self._schema}.retention_gone AS g (workspace, day, class, rows) VALUES "
            "(:workspace, CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date), :name, :rows) "
            "ON CONFLICT (workspace, day, class) DO UPDATE SET rows = g.rows + excluded.rows"
        )
        await tx.execute(text(query), {"workspace": workspace, "name": name, "rows": rows})

    async def gone(
        self, tx: AsyncConnection, workspace: str, limit: int, after: tuple[date, str] | None
    ) -> list[Gone]:
        """What has gone, the newest first; behind `after`, if given."""
        day, name = after or (None, None)
        query = (
            f"SELECT day, class, rows FROM {self._schema}.retention_gone "
            "WHERE workspace = :workspace AND (CAST(:day AS date) IS NULL "
            "OR (day, class) < (CAST(:day AS date), CAST(:name AS text))) "
            "ORDER BY day DESC, class DESC LIMIT :limit"
        )
        asked = {"workspace": workspace, "day": day, "name": name, "limit": limit}
        return [Gone(*row) for row in await tx.execute(text(query), asked)]


def _version(row: Row[Any]) -> Version:
    return Version(row.version, json.loads(row.days), row.actor, row.reason, row.created_at)
