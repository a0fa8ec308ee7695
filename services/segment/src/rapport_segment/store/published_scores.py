"""The SQL of scores that models of others have published."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_common.follower.domain import Key
from rapport_segment.domain.published import Named, Published
from rapport_segment.domain.sections import exact

_encoder = msgspec.json.Encoder(decimal_format="number")
_SAVE = text(
    # Only what is another value is judged; a newer record that says the same is kept all the same.
    "WITH told AS (SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]), "
    "CAST(:names AS text[]), CAST(:values AS text[]), CAST(:models AS text[]), "
    "CAST(:versions AS text[]), CAST(:times AS timestamptz[]), CAST(:reasons AS text[])) "
    "AS v(workspace, profile_id, name, value, model, model_version, as_of, reason)), "
    "before AS (SELECT s.* FROM segment.published_score s JOIN told "
    "USING (workspace, profile_id, name)), "
    "written AS (INSERT INTO segment.published_score AS s (workspace, profile_id, name, value, "
    "model, model_version, as_of, reason) SELECT workspace, profile_id, name, "
    "CAST(value AS jsonb), model, model_version, as_of, reason FROM told ORDER BY 1, 2, 3 "
    "ON CONFLICT (workspace, profile_id, name) DO UPDATE SET value = excluded.value, "
    "model = excluded.model, model_version = excluded.model_version, as_of = excluded.as_of, "
    "reason = excluded.reason WHERE (s.as_of, s.model, s.model_version) "
    "< (excluded.as_of, excluded.model, excluded.model_version) RETURNING s.*) "
    "SELECT w.workspace, CAST(w.profile_id AS text) AS profile_id, w.name FROM written w "
    "LEFT JOIN before b USING (workspace, profile_id, name) "
    "WHERE b.value IS DISTINCT FROM w.value"
)
_OF_PEOPLE = text(
    "SELECT s.workspace, CAST(s.profile_id AS text), s.name, CAST(s.value AS text) "
    f"FROM unnest({packed_texts('workspaces')}, CAST(:ids AS uuid[])) "
    "AS v(workspace, profile_id) JOIN segment.published_score s USING (workspace, profile_id) "
    "WHERE s.value IS NOT NULL"
)


async def save(tx: AsyncConnection, some: Sequence[Published]) -> set[Named]:
    """Keep those that are newer than what is kept; which of them are other values than before.

    In the order of their keys, each once.
    """
    rows = await tx.execute(
        _SAVE,
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


def _json(value: Any) -> str | None:
    return None if value is None else _encoder.encode(value).decode()


async def of_people(tx: AsyncConnection, keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """The scores of these people by name, of those who have some."""
    rows = await tx.execute(
        _OF_PEOPLE,
        {"workspaces": pack_texts([key[0] for key in keys]), "ids": [key[1] for key in keys]},
    )
    found: dict[Key, dict[str, Any]] = {}
    for workspace, profile_id, name, value in rows.all():
        found.setdefault((workspace, profile_id), {})[name] = exact(value)
    return found
