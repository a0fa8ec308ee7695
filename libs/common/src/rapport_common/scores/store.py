"""The SQL of the table `published_score` of a service."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.access.parts import Rows, plain
from rapport_common.db import pack_texts, packed_texts
from rapport_common.privacy.sweeps import Found
from rapport_common.scores.domain import Named, Published

_encoder = msgspec.json.Encoder(decimal_format="number")
_OF_THEM = "workspace = :workspace AND profile_id = ANY(CAST(CAST(:profiles AS text[]) AS uuid[]))"


class ScoreStore:
    """Keeps scores in one schema."""

    def __init__(self, schema: str, nobody: str) -> None:
        """`nobody`: when of a row `told` it is known that nobody has its profile id any more."""
        self._table = f"{schema}.published_score"
        self._save = text(
            "WITH told AS (SELECT * FROM unnest(CAST(:workspaces AS text[]), "
            "CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:values AS text[]), "
            "CAST(:models AS text[]), CAST(:versions AS text[]), CAST(:times AS timestamptz[]), "
            "CAST(:reasons AS text[])) AS v(workspace, profile_id, name, value, model, "
            "model_version, as_of, reason)), "
            f"before AS (SELECT s.* FROM {self._table} s JOIN told "
            "USING (workspace, profile_id, name)), "
            f"written AS (INSERT INTO {self._table} AS s (workspace, profile_id, name, value, "
            "model, model_version, as_of, reason) SELECT workspace, profile_id, name, "
            "CAST(value AS jsonb), model, model_version, as_of, reason FROM told "
            f"WHERE NOT ({nobody}) ORDER BY 1, 2, 3 "
            "ON CONFLICT (workspace, profile_id, name) DO UPDATE SET value = excluded.value, "
            "model = excluded.model, model_version = excluded.model_version, "
            "as_of = excluded.as_of, reason = excluded.reason "
            "WHERE (s.as_of, s.model, s.model_version) "
            "< (excluded.as_of, excluded.model, excluded.model_version) RETURNING s.*) "
            "SELECT w.workspace, CAST(w.profile_id AS text) AS profile_id, w.name FROM written w "
            "LEFT JOIN before b USING (workspace, profile_id, name) "
            "WHERE b.value IS DISTINCT FROM w.value"
        )
        self._of_people = text(
            "SELECT s.workspace, CAST(s.profile_id AS text), s.name, CAST(s.value AS text) "
            f"FROM unnest({packed_texts('workspaces')}, CAST(:ids AS uuid[])) "
            f"AS v(workspace, profile_id) JOIN {self._table} s USING (workspace, profile_id) "
            "WHERE s.value IS NOT NULL"
        )

    async def save(self, tx: AsyncConnection, some: Sequence[Published]) -> set[Named]:
        """Keep those that are newer than what is kept; which of them are other values than before.

        In the order of their keys, each once.
        """
        rows = await tx.execute(
            self._save,
            {
                "workspaces": [one.workspace for one in some],
                "ids": [one.profile_id for one in some],
                "names": [one.name for one in some],
                "values": [_json(one.value) for one in some],
                "models": [one.model for one in some],
                "versions": [one.model_version for one in some],
                "times": [one.as_of for one in some],
                "reasons": [one.reason for one in some],
            },
        )
        return {(row.workspace, row.profile_id, row.name) for row in rows}

    async def of_people(
        self, tx: AsyncConnection, keys: Collection[tuple[str, str]]
    ) -> list[tuple[str, str, str, str]]:
        """(workspace, profile id, name, value as JSON): the scores of these people."""
        given = {
            "workspaces": pack_texts([key[0] for key in keys]),
            "ids": [key[1] for key in keys],
        }
        rows = await tx.execute(self._of_people, given)
        return [(row[0], row[1], row[2], row[3]) for row in rows.all()]

    @property
    def forgotten(self) -> Found:
        """What goes when somebody is to be forgotten."""
        return Found(
            self._table,
            f"DELETE FROM {self._table} WHERE ctid IN (SELECT ctid FROM {self._table} "
            f"WHERE {_OF_THEM} LIMIT :limit)",
            f"SELECT count(*) FROM {self._table} WHERE {_OF_THEM}",
        )

    @property
    def told(self) -> Rows:
        """What is told to whom it is about."""
        columns = ("name", "model", "model_version", "as_of", "reason")
        return Rows(
            self._table,
            "what models say of you, as of when, and why",
            f"{self._table} t",
            {"profile_id": "uuid", "name": "text"},
            {**plain(*columns), "value": "CAST(t.value AS text)"},
            "t.workspace = :workspace "
            "AND t.profile_id = ANY(CAST(CAST(:profiles AS text[]) AS uuid[]))",
            documents=frozenset({"value"}),
        )


def _json(value: Any) -> str | None:
    return None if value is None else _encoder.encode(value).decode()
