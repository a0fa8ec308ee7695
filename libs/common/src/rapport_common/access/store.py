"""Whose data a service is telling, and how far that is: SQL."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import storable
from rapport_common.privacy.store import REASON_LENGTH, wait_after
from rapport_common.privacy.subject import Subject
from rapport_common.retention import Retention

KEPT = Retention("access", "created_at", timedelta(days=30))
_ONE = "WHERE workspace = :workspace AND request_id = :request_id"


@dataclass(frozen=True, slots=True)
class Telling:
    """Somebody who is told of; `part` is next, and goes on behind `after`; `told` are rows."""

    who: Subject
    seal: bytes
    part: int
    after: str | None
    pieces: int
    told: Mapping[str, int]
    tries: int


class AccessStore:
    """The table `access` of one service."""

    def __init__(self, schema: str) -> None:
        self._table = f"{schema}.access"

    async def add(self, tx: AsyncConnection, who: Subject, seal: bytes) -> None:
        """Note a request; what is known is not noted again."""
        await tx.execute(
            text(
                f"INSERT INTO {self._table} (workspace, request_id, profile_id, subjects, kinds, "
                "profiles, at, seal) VALUES (:workspace, :request_id, :profile_id, :subjects, "
                ":kinds, :profiles, :at, :seal) ON CONFLICT DO NOTHING"
            ),
            {
                **_named(who),
                "profile_id": who.profile_id,
                "subjects": sorted(who.subjects),
                "kinds": sorted(who.kinds),
                "profiles": sorted(who.profiles),
                "at": who.at,
                "seal": seal.hex(),
            },
        )

    async def take(self, tx: AsyncConnection) -> Telling | None:
        """The request that waits longest and nobody else works on, locked until the commit."""
        rows = await tx.execute(
            text(
                "SELECT workspace, request_id, profile_id, subjects, kinds, profiles, at, seal, "
                f"part, after, pieces, told, tries FROM {self._table} WHERE finished_at IS NULL "
                "AND try_at <= clock_timestamp() ORDER BY try_at LIMIT 1 FOR UPDATE SKIP LOCKED"
            )
        )
        row = rows.first()
        if row is None:
            return None
        who = Subject(
            workspace=row.workspace,
            request_id=row.request_id,
            profile_id=row.profile_id,
            subjects=frozenset(row.subjects),
            kinds=frozenset(row.kinds),
            profiles=frozenset(row.profiles),
            at=row.at,
        )
        seal = bytes.fromhex(row.seal)
        return Telling(who, seal, row.part, row.after, row.pieces, row.told, row.tries)

    async def advance(
        self,
        tx: AsyncConnection,
        work: Telling,
        section: str,
        *,
        after: str | None,
        told: tuple[int, int],
    ) -> None:
        """Note what a page came to; `told`: (rows, pieces)."""
        counts = dict(work.told)
        if told[0]:
            counts[section] = counts.get(section, 0) + told[0]
        await tx.execute(
            text(
                f"UPDATE {self._table} SET part = part + :moved, after = :after, "
                "pieces = pieces + :pieces, told = CAST(:told AS jsonb), tries = 0, error = NULL, "
                f"try_at = clock_timestamp() {_ONE}"
            ),
            {
                **_named(work.who),
                "moved": int(after is None),
                "after": after,
                "pieces": told[1],
                "told": json.dumps(counts),
            },
        )

    async def finish(self, tx: AsyncConnection, who: Subject, at: datetime) -> None:
        """All is told."""
        await tx.execute(
            text(f"UPDATE {self._table} SET finished_at = :at {_ONE}"), {**_named(who), "at": at}
        )

    async def postpone(self, tx: AsyncConnection, work: Telling, reason: str) -> None:
        """A page has failed: it is tried again later, and others go first."""
        await tx.execute(
            text(
                f"UPDATE {self._table} SET tries = tries + 1, error = :error, "
                f"try_at = clock_timestamp() + make_interval(secs => :wait) {_ONE}"
            ),
            {
                **_named(work.who),
                "error": storable(reason, REASON_LENGTH),
                "wait": wait_after(work.tries),
            },
        )

    async def drop(self, tx: AsyncConnection, workspace: str, subjects: Collection[str]) -> None:
        """Tell no more of whoever has any of these HMACs or profile ids."""
        await tx.execute(
            text(
                f"DELETE FROM {self._table} WHERE workspace = :workspace AND "
                "(subjects && CAST(:subjects AS text[]) OR profiles && CAST(:subjects AS text[]))"
            ),
            {"workspace": workspace, "subjects": sorted(subjects)},
        )

    async def oldest(self, tx: AsyncConnection) -> float:
        """Since how many seconds the oldest request waits that is not done; 0.0 if none does."""
        found = await tx.scalar(
            text(
                "SELECT extract(epoch FROM clock_timestamp() - min(created_at)) "
                f"FROM {self._table} WHERE finished_at IS NULL"
            )
        )
        return float(found or 0.0)


def _named(who: Subject) -> dict[str, str]:
    return {"workspace": who.workspace, "request_id": who.request_id}
