"""Who is to be forgotten in a service, how far that is, and who was: SQL."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import storable
from rapport_common.privacy.subject import Subject
from rapport_common.privacy.sweeps import Page

REASON_LENGTH = 500
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
_COLUMNS = (
    "workspace, request_id, profile_id, subjects, kinds, profiles, at, sweep, after, removed, tries"
)


@dataclass(frozen=True, slots=True)
class Work:
    """Somebody who is to be forgotten; `sweep` is next, and goes on behind `after`."""

    who: Subject
    sweep: int
    after: str | None
    removed: Mapping[str, int]
    tries: int


class PrivacyStore:
    """The tables `erasure` and `erased` of one service."""

    def __init__(self, schema: str) -> None:
        self.schema = schema

    async def add(self, tx: AsyncConnection, who: Subject) -> bool:
        """Note a wish; False when it is known."""
        subjects = sorted(who.subjects | who.profiles)
        await tx.execute(
            text(
                f"INSERT INTO {self.schema}.erased AS e (workspace, subject, at) "
                "SELECT :workspace, subject, :at FROM unnest(CAST(:subjects AS text[])) AS subject "
                "ON CONFLICT (workspace, subject) DO UPDATE SET at = greatest(e.at, excluded.at)"
            ),
            {"workspace": who.workspace, "subjects": subjects, "at": who.at},
        )
        result = await tx.execute(
            text(
                f"INSERT INTO {self.schema}.erasure (workspace, request_id, profile_id, subjects, "
                "kinds, profiles, at) VALUES (:workspace, :request_id, :profile_id, :subjects, "
                ":kinds, :profiles, :at) ON CONFLICT DO NOTHING"
            ),
            {
                "workspace": who.workspace,
                "request_id": who.request_id,
                "profile_id": who.profile_id,
                "subjects": sorted(who.subjects),
                "kinds": sorted(who.kinds),
                "profiles": sorted(who.profiles),
                "at": who.at,
            },
        )
        return bool(result.rowcount)

    async def take(self, tx: AsyncConnection) -> Work | None:
        """The wish that waits longest and nobody else works on, locked until the commit."""
        rows = await tx.execute(
            text(
                f"SELECT {_COLUMNS} FROM {self.schema}.erasure WHERE finished_at IS NULL "
                "AND try_at <= clock_timestamp() ORDER BY try_at LIMIT 1 FOR UPDATE SKIP LOCKED"
            )
        )
        row = rows.first()
        return None if row is None else _work(row)

    async def advance(self, tx: AsyncConnection, work: Work, table: str, page: Page) -> None:
        """Note what a page came to."""
        moved = page.after is None and not page.waits
        removed = dict(work.removed)
        removed[table] = removed.get(table, 0) + page.removed
        await tx.execute(
            text(
                f"UPDATE {self.schema}.erasure SET sweep = sweep + :moved, after = :after, "
                "removed = CAST(:removed AS jsonb), tries = :tries, error = NULL, "
                "try_at = clock_timestamp() + make_interval(secs => :wait) "
                "WHERE workspace = :workspace AND request_id = :request_id"
            ),
            {
                **_named(work.who),
                "moved": int(moved),
                "after": page.after,
                "removed": json.dumps(removed),
                "tries": work.tries + 1 if page.waits else 0,
                "wait": wait_after(work.tries) if page.waits else 0.0,
            },
        )

    async def finish(self, tx: AsyncConnection, who: Subject, at: datetime) -> None:
        """Nothing is left."""
        await tx.execute(
            text(
                f"UPDATE {self.schema}.erasure SET finished_at = :at "
                "WHERE workspace = :workspace AND request_id = :request_id"
            ),
            {**_named(who), "at": at},
        )

    async def postpone(self, tx: AsyncConnection, work: Work, reason: str) -> None:
        """A page has failed: it is tried again later, and others go first."""
        await tx.execute(
            text(
                f"UPDATE {self.schema}.erasure SET tries = tries + 1, error = :error, "
                "try_at = clock_timestamp() + make_interval(secs => :wait) "
                "WHERE workspace = :workspace AND request_id = :request_id"
            ),
            {
                **_named(work.who),
                "error": storable(reason, REASON_LENGTH),
                "wait": wait_after(work.tries),
            },
        )

    async def oldest(self, tx: AsyncConnection) -> float:
        """Since how many seconds the oldest wish waits that is not done; 0.0 when none does."""
        found = await tx.scalar(
            text(
                "SELECT extract(epoch FROM clock_timestamp() - min(created_at)) "
                f"FROM {self.schema}.erasure WHERE finished_at IS NULL"
            )
        )
        return float(found or 0.0)

    async def erased(
        self, tx: AsyncConnection, wanted: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], datetime]:
        """Since when those of these (workspace, subject) are forgotten that are."""
        if not wanted:
            return {}
        rows = await tx.execute(
            text(
                f"SELECT e.workspace, e.subject, e.at FROM {self.schema}.erased e JOIN unnest("
                "CAST(:workspaces AS text[]), CAST(:subjects AS text[])) AS v(workspace, subject) "
                "USING (workspace, subject)"
            ),
            _columns(wanted),
        )
        return {(row.workspace, row.subject): row.at for row in rows}

    async def newest(self, tx: AsyncConnection, workspaces: Iterable[str]) -> dict[str, datetime]:
        """When somebody was forgotten last, in those of the workspaces where anybody was."""
        rows = await tx.execute(
            text(
                "SELECT w.workspace, e.at FROM unnest(CAST(:workspaces AS text[])) AS w(workspace) "
                f"CROSS JOIN LATERAL (SELECT at FROM {self.schema}.erased e "
                "WHERE e.workspace = w.workspace ORDER BY at DESC LIMIT 1) AS e"
            ),
            {"workspaces": sorted(workspaces)},
        )
        return {row.workspace: row.at for row in rows}


def wait_after(tries: int) -> float:
    """Seconds until the next try."""
    return float(min(FIRST_WAIT * 2.0 ** min(tries, 10), LONGEST_WAIT))


def _columns(wanted: Collection[tuple[str, str]]) -> dict[str, Sequence[str]]:
    return {"workspaces": [one[0] for one in wanted], "subjects": [one[1] for one in wanted]}


def _named(who: Subject) -> dict[str, str]:
    return {"workspace": who.workspace, "request_id": who.request_id}


def _work(row: Row[Any]) -> Work:
    who = Subject(
        workspace=row.workspace,
        request_id=row.request_id,
        profile_id=row.profile_id,
        subjects=frozenset(row.subjects),
        kinds=frozenset(row.kinds),
        profiles=frozenset(row.profiles),
        at=row.at,
    )
    return Work(who, row.sweep, row.after, row.removed, row.tries)
