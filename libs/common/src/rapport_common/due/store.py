"""The SQL of what has a time: scheduled and cancelled with the caller's effects, removed with the
worker's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import tracing
from rapport_common.db import storable
from rapport_common.due.alarm import ring
from rapport_common.due.look import Look, Looking
from rapport_common.due.turns import Batch
from rapport_common.statements import text

MAX_PAYLOAD = 4096
"""Bytes of JSON: a row says what to look at, it does not carry it."""

MAX_ERROR = 1000
AT_ONCE = 10_000
"""So many rows at most are tried again by one request."""

_KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KEY = re.compile(r"[^/\x00]{1,200}")  # it is a part of an address
_COLUMNS = (
    "workspace, kind, key, at, try_at, CAST(payload AS text) AS payload, traceparent, attempts, "
    "error, failed_at"
)
_MATCHES = "workspace = :workspace AND kind = :kind AND key = :key"


@dataclass(frozen=True, slots=True)
class NewDue:
    """What is to be done at `at`; `key` is the id of what it is about, and names it in its kind."""

    workspace: str
    kind: str
    key: str
    at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Due:
    """A row as it is stored. It is due `at`, and tried at `try_at`: later after failures.

    `failed_at`: it was put aside then; else it waits.
    """

    workspace: str
    kind: str
    key: str
    at: datetime
    try_at: datetime
    payload: dict[str, Any]
    traceparent: str | None
    attempts: int
    error: str | None
    failed_at: datetime | None


def _row(found: Any) -> Due:
    payload = msgspec.json.decode(found.payload)
    return Due(**{**found._asdict(), "payload": payload})


class DueStore:
    """What has a time in one service, in the tables `due` and `due_lane` of its schema.

    The clock is the database's, one for all replicas; `now` takes its place in tests.
    """

    def __init__(self, schema: str, *, now: Callable[[], datetime] | None = None) -> None:
        self.schema = schema
        self._now = now
        self._table, self._lanes = f"{schema}.due", f"{schema}.due_lane"
        # Nothing is tried before the moment of its scheduling: below a look nothing can turn up.
        self._clock = "coalesce(CAST(:now AS timestamptz), clock_timestamp())"
        self._looking = Looking(schema, self._clock)

    def _given(self, **values: Any) -> dict[str, Any]:
        return {"now": self._now() if self._now else None, **values}

    async def schedule(
        self,
        tx: AsyncConnection,
        rows: Sequence[NewDue],
        *,
        keep: bool = False,
        sooner: bool = False,
    ) -> None:
        """Run these at their times; who is there already under the key gets the new time.

        With `keep` it keeps its own, with `sooner` what is earlier of the two: somebody whom the
        caller has not seen may have asked for it meanwhile. A time that has passed is now.
        ValueError for a kind, key or payload out of bounds. The worker of this process knows of it
        once `tx` has committed.
        """
        chosen = {(one.workspace, one.kind, one.key): one for one in rows}
        ordered = [chosen[key] for key in sorted(chosen)]
        if not ordered:
            return
        conflict = self._conflict(keep=keep, sooner=sooner)
        await tx.execute(
            text(
                "WITH v AS (SELECT * FROM unnest(CAST(:workspaces AS text[]), "
                "CAST(:kinds AS text[]), CAST(:keys AS text[]), CAST(:times AS timestamptz[]), "
                "CAST(:payloads AS text[])) AS u(workspace, kind, key, at, payload)), "
                f"lane AS (INSERT INTO {self._lanes} (workspace, kind) "
                "SELECT DISTINCT v.workspace, v.kind FROM v WHERE NOT EXISTS (SELECT FROM "
                f"{self._lanes} l WHERE l.workspace = v.workspace AND l.kind = v.kind) "
                "ORDER BY 1, 2 ON CONFLICT DO NOTHING) "
                f"INSERT INTO {self._table} AS d "
                "(workspace, kind, key, at, try_at, payload, traceparent) "
                f"SELECT workspace, kind, key, at, greatest(at, {self._clock}), "
                "CAST(payload AS jsonb), CAST(:trace AS text) FROM v ORDER BY workspace, kind, key "
                f"ON CONFLICT (workspace, kind, key) DO {conflict}"
            ),
            self._given(
                **_places(ordered),
                times=[one.at for one in ordered],
                payloads=[_payload(one) for one in ordered],
                trace=tracing.current(),
            ),
        )
        ring(tx, self.schema, min(one.at for one in ordered))

    def _conflict(self, *, keep: bool, sooner: bool) -> str:
        """What becomes of a row `d` that is there already."""
        if keep:
            return "NOTHING"
        at = "least(d.at, excluded.at)" if sooner else "excluded.at"
        # What stays as it is, is not written: a row that is written leaves a dead one.
        changed = (
            "excluded.at < d.at"
            if sooner
            else "(d.at, d.payload) IS DISTINCT FROM (excluded.at, excluded.payload)"
        )
        return (
            f"UPDATE SET at = {at}, try_at = greatest({at}, {self._clock}), "
            "payload = excluded.payload, traceparent = excluded.traceparent, attempts = 0, "
            f"error = NULL, failed_at = NULL WHERE d.failed_at IS NOT NULL OR {changed}"
        )

    async def cancel(self, tx: AsyncConnection, keys: Sequence[tuple[str, str, str]]) -> int:
        """Forget these (workspace, kind, key), also those put aside; how many there were.

        One that is just being run is waited for, and has run then.
        """
        places = sorted(set(keys))
        if not places:
            return 0
        result = await tx.execute(
            text(
                f"DELETE FROM {self._table} d USING unnest(CAST(:workspaces AS text[]), "
                "CAST(:kinds AS text[]), CAST(:keys AS text[])) AS v(workspace, kind, key) "
                "WHERE d.workspace = v.workspace AND d.kind = v.kind AND d.key = v.key"
            ),
            {
                "workspaces": [one[0] for one in places],
                "kinds": [one[1] for one in places],
                "keys": [one[2] for one in places],
            },
        )
        return result.rowcount

    async def look(self, tx: AsyncConnection, kinds: Sequence[str], floor: datetime | None) -> Look:
        """What of these kinds is due, and when the next one is; of rows not before `floor`."""
        return await self._looking.look(tx, self._given(kinds=list(kinds)), floor)

    async def take(
        self, tx: AsyncConnection, batch: Batch, now: datetime, first: datetime
    ) -> list[Due]:
        """Remove the rows of a batch that are due and in nobody's hands, earliest first.

        `first`: the first of all, as a look has seen it. They are back if `tx` is rolled back.
        """
        # By their places in the table: however wrong the planner's idea of it is, nothing is read
        # that is not taken.
        return await self._removed(
            tx,
            "unnest(CAST(:workspaces AS text[])) AS v(workspace) CROSS JOIN LATERAL (SELECT ctid "
            f"FROM {self._table} WHERE workspace = v.workspace AND kind = :kind "
            "AND failed_at IS NULL AND try_at BETWEEN :first AND :due "
            "ORDER BY try_at LIMIT :share FOR UPDATE SKIP LOCKED) AS d",
            {
                "workspaces": list(batch.workspaces),
                "kind": batch.kind,
                "share": batch.share,
                "due": now,
                "first": first,
            },
        )

    async def take_again(self, tx: AsyncConnection, rows: Sequence[Due]) -> list[Due]:
        """Remove those of these rows that are as they were, and in nobody's hands."""
        return await self._removed(
            tx,
            "unnest(CAST(:workspaces AS text[]), CAST(:kinds AS text[]), CAST(:keys AS text[]), "
            "CAST(:tries AS timestamptz[])) AS v(workspace, kind, key, try_at) "
            f"CROSS JOIN LATERAL (SELECT ctid FROM {self._table} AS t WHERE "
            "t.workspace = v.workspace AND t.kind = v.kind AND t.key = v.key "
            "AND t.try_at = v.try_at AND t.failed_at IS NULL FOR UPDATE SKIP LOCKED) AS d",
            {**_places(rows), "tries": [one.try_at for one in rows]},
        )

    async def _removed(self, tx: AsyncConnection, which: str, given: dict[str, Any]) -> list[Due]:
        result = await tx.execute(
            text(
                f"DELETE FROM {self._table} WHERE ctid = ANY(ARRAY(SELECT d.ctid FROM {which})) "
                f"RETURNING {_COLUMNS}"
            ),
            given,
        )
        found = [_row(one) for one in result]
        return sorted(found, key=lambda one: (one.try_at, one.workspace, one.key))

    async def postpone(
        self, tx: AsyncConnection, row: Due, wait: timedelta, error: str, *, most: int
    ) -> bool:
        """Try a row again after `wait`, or put it aside when it has failed `most` times: True."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET attempts = attempts + 1, error = :error, "
                f"try_at = {self._clock} + CAST(:wait AS interval), "
                f"failed_at = CASE WHEN attempts + 1 >= :most THEN {self._clock} END "
                f"WHERE {_MATCHES} AND try_at = :try_at AND failed_at IS NULL "
                "RETURNING failed_at IS NOT NULL"
            ),
            self._given(
                workspace=row.workspace,
                kind=row.kind,
                key=row.key,
                try_at=row.try_at,
                wait=wait,
                error=storable(error, MAX_ERROR),
                most=most,
            ),
        )
        return bool(result.scalar())

    async def listed(
        self,
        tx: AsyncConnection,
        workspace: str | None,
        *,
        failed: bool,
        kind: str | None,
        after: tuple[datetime, str, str, str] | None,
        limit: int,
    ) -> list[Due]:
        """Rows in the order of (`try_at`, workspace, kind, key), those behind `after`; of one
        workspace or (None) of all. Either those that wait, or those that were put aside.
        """
        at, *place = after or (None, None, None, None)
        result = await tx.execute(
            text(
                f"SELECT d.* FROM {self._lanes} l CROSS JOIN LATERAL ("
                f"SELECT {_COLUMNS} FROM {self._table} "
                "WHERE workspace = l.workspace AND kind = l.kind "
                f"AND failed_at IS {'NOT ' if failed else ''}NULL "
                "AND try_at >= coalesce(CAST(:at AS timestamptz), '-infinity') "
                "AND (CAST(:at AS timestamptz) IS NULL OR (try_at, workspace, kind, key) > ("
                "CAST(:at AS timestamptz), CAST(:w AS text), CAST(:k AS text), "
                "CAST(:i AS text))) "
                "ORDER BY try_at, key LIMIT :limit) AS d "
                "WHERE (CAST(:workspace AS text) IS NULL OR l.workspace = :workspace) "
                "AND (CAST(:kind AS text) IS NULL OR l.kind = :kind) "
                "ORDER BY d.try_at, d.workspace, d.kind, d.key LIMIT :limit"
            ),
            {
                "workspace": workspace,
                "kind": kind,
                "limit": limit,
                "at": at,
                **dict(zip(("w", "k", "i"), place, strict=True)),
            },
        )
        return [_row(one) for one in result]

    async def retry(self, tx: AsyncConnection, workspace: str, kind: str, key: str) -> bool:
        """Try a row that was put aside again, now; False when there is none."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET failed_at = NULL, attempts = 0, "
                f"try_at = {self._clock} WHERE {_MATCHES} AND failed_at IS NOT NULL"
            ),
            self._given(workspace=workspace, kind=kind, key=key),
        )
        ring(tx, self.schema)
        return result.rowcount == 1

    async def retry_all(self, tx: AsyncConnection, workspace: str, kind: str | None) -> int:
        """Try what was put aside again, `AT_ONCE` rows at most; how many."""
        result = await tx.execute(
            text(
                f"UPDATE {self._table} SET failed_at = NULL, attempts = 0, "
                f"try_at = {self._clock} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {self._table} "
                "WHERE workspace = :workspace AND (CAST(:kind AS text) IS NULL OR kind = :kind) "
                "AND failed_at IS NOT NULL LIMIT :limit FOR UPDATE SKIP LOCKED))"
            ),
            self._given(workspace=workspace, kind=kind, limit=AT_ONCE),
        )
        ring(tx, self.schema)
        return result.rowcount

    async def discard(self, tx: AsyncConnection, workspace: str, kind: str, key: str) -> bool:
        """Forget a row that was put aside; False when there is none."""
        result = await tx.execute(
            text(f"DELETE FROM {self._table} WHERE {_MATCHES} AND failed_at IS NOT NULL"),
            {"workspace": workspace, "kind": kind, "key": key},
        )
        return result.rowcount == 1

    async def unknown(self, tx: AsyncConnection, kinds: Sequence[str]) -> list[str]:
        """Kinds other than these of which something is due."""
        result = await tx.execute(
            text(
                f"SELECT DISTINCT l.kind FROM {self._lanes} l "
                "WHERE l.kind <> ALL(CAST(:kinds AS text[])) AND EXISTS ("
                f"SELECT FROM {self._table} WHERE workspace = l.workspace AND kind = l.kind "
                f"AND failed_at IS NULL AND try_at <= {self._clock}) ORDER BY 1"
            ),
            self._given(kinds=list(kinds)),
        )
        return list(result.scalars())

    async def counts(self, tx: AsyncConnection) -> tuple[int, int]:
        """(about how many rows there are, as Postgres believes; how many were put aside)."""
        result = await tx.execute(
            text(
                "SELECT greatest(0, (SELECT reltuples FROM pg_class "
                f"WHERE oid = CAST('{self._table}' AS regclass)))::bigint, "
                f"(SELECT count(*) FROM {self._table} WHERE failed_at IS NOT NULL)"
            )
        )
        waiting, failed = result.one()
        return waiting, failed


def _places(rows: Sequence[NewDue] | Sequence[Due]) -> dict[str, list[str]]:
    return {
        "workspaces": [one.workspace for one in rows],
        "kinds": [one.kind for one in rows],
        "keys": [one.key for one in rows],
    }


def _payload(row: NewDue) -> str:
    if not _KIND.fullmatch(row.kind) or not _KEY.fullmatch(row.key):
        message = f"kind {row.kind!r} or key {row.key!r} is none: a word; 1-200 characters, no '/'"
        raise ValueError(message)
    encoded = msgspec.json.encode(row.payload)
    if len(encoded) > MAX_PAYLOAD:
        message = f"the payload of {row.kind} {row.key!r} has {len(encoded)} bytes, not 4096"
        raise ValueError(message)
    return encoded.decode()
