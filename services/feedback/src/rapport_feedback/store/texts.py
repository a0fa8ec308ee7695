"""Texts that are to be read, and what was read of them: a row each, which goes with its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.texts.enriching import Enrichment
from rapport_feedback.domain.texts.looking import MOST

HELD_SECONDS = 120
"""So long a text is of who took it; after that somebody else takes it, as after a kill."""

MOST_ATTEMPTS = 3
SOURCES = ("answer", "case", "message")
_KEYS = {"answer": "response_id", "case": "case_id", "message": "message_id"}
_ROWS = {
    "answer": (
        "SELECT r.workspace, r.response_id, CAST(NULL AS uuid) AS case_id, "
        "CAST(NULL AS text) AS message_id, CAST(r.response_id AS text) AS key, w.part, w.words, "
        "r.anonymous, r.revised_at AS at FROM feedback.response r CROSS JOIN LATERAL ("
        "SELECT 'comment' AS part, r.comment AS words "
        "UNION ALL SELECT 'words.' || j.key, j.value FROM jsonb_each_text(r.words) j) w"
    ),
    "case": (
        "SELECT c.workspace, CAST(NULL AS uuid) AS response_id, c.case_id, "
        "CAST(NULL AS text) AS message_id, CAST(c.case_id AS text) AS key, 'body' AS part, "
        "concat_ws(E'\\n', nullif(c.subject, ''), nullif(c.body, '')) AS words, "
        "false AS anonymous, c.opened_at AS at FROM feedback.complaint c"
    ),
    "message": (
        "SELECT m.workspace, CAST(NULL AS uuid) AS response_id, m.case_id, m.message_id, "
        "m.message_id AS key, 'body' AS part, m.body AS words, false AS anonymous, m.at "
        "FROM feedback.case_message m"
    ),
}
_TYPES = {"answer": "uuid", "case": "uuid", "message": "text"}
_CHANGED = (
    "revision = t.revision + 1, digest = excluded.digest, language = NULL, sentiment = NULL, "
    "label = NULL, topics = '{}', said_label = NULL, said_topics = NULL, bands = '{}', "
    "result = NULL, read_by = NULL, read_at = NULL"
)
# An anonymous answer has no instant, nor what was read of it: only days.
_NOW = "CASE WHEN {of}.anonymous THEN {of}.at ELSE clock_timestamp() END"
_WAITS = f"state = 'waiting', attempts = 0, reason = NULL, free_at = {_NOW.format(of='t')}"


def _noted(source: str, which: str, *, old: str) -> str:
    """New texts and changed ones; what is as it was stays so."""
    return (
        "INSERT INTO feedback.text_enrichment AS t (workspace, text_id, source, response_id, "
        "case_id, message_id, part, anonymous, at, revision, digest, state, old, "
        "free_at) "
        "SELECT s.workspace, CAST(md5(concat_ws('/', s.workspace, CAST(:source AS text), s.key, "
        "s.part)) AS uuid), CAST(:source AS text), s.response_id, s.case_id, s.message_id, s.part, "
        "s.anonymous, s.at, 1, "
        f"encode(sha256(convert_to(s.words, 'UTF8')), 'hex'), 'waiting', {old}, "
        f"{_NOW.format(of='s')} "
        f"FROM ({_ROWS[source]}) s WHERE s.workspace = :workspace AND s.words <> '' AND {which} "
        f"ORDER BY 2 ON CONFLICT (workspace, text_id) DO UPDATE SET {_WAITS}, "
        f"old = excluded.old, at = excluded.at, {_CHANGED} WHERE t.digest <> excluded.digest"
    )


async def note(
    tx: AsyncConnection, workspace: str, source: str, key: UUID | str, *, is_new: bool = False
) -> None:
    """What somebody has written, or written otherwise, waits to be read. Of what `is_new` nothing
    has been read yet.
    """
    column = _KEYS[source]
    which = f"s.{column} = :id"
    given = {"workspace": workspace, "source": source, "id": key}
    if source == "answer" and not is_new:
        # A part that was left out in a revision is no text any more.
        await tx.execute(
            text(
                "DELETE FROM feedback.text_enrichment e WHERE e.workspace = :workspace "
                f"AND e.{column} = :id AND NOT EXISTS (SELECT FROM ({_ROWS[source]}) s "
                f"WHERE s.workspace = :workspace AND {which} AND s.words <> '' "
                "AND s.part = e.part)"
            ),
            {"workspace": workspace, "id": key},
        )
    await tx.execute(text(_noted(source, which, old="false")), given)


async def note_page(
    tx: AsyncConnection, workspace: str, source: str, after: str | None, limit: int
) -> tuple[int, str | None]:
    """Let a page of a source's texts be read, again where they were: how many rows it had, and
    where the next page begins.

    What holds of them stays until they are read.
    """
    column, kind = _KEYS[source], _TYPES[source]
    table = {"answer": "response", "case": "complaint", "message": "case_message"}[source]
    rows = await tx.execute(
        text(
            f"SELECT CAST({column} AS text) FROM feedback.{table} WHERE workspace = :workspace "
            f"AND (CAST(:after AS text) IS NULL OR {column} > CAST(CAST(:after AS text) AS {kind}))"
            f" ORDER BY {column} LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    page = [row[0] for row in rows]
    if page:
        ids = f"ANY(CAST(CAST(:ids AS text[]) AS {kind}[]))"
        given = {"workspace": workspace, "source": source, "ids": page}
        await tx.execute(
            text(
                "UPDATE feedback.text_enrichment t SET old = true, "
                f"{_WAITS} WHERE t.workspace = :workspace AND t.source = :source "
                f"AND t.{column} = {ids} AND t.state <> 'waiting'"
            ),
            given,
        )
        await tx.execute(text(_noted(source, f"s.{column} = {ids}", old="true")), given)
    return len(page), page[-1] if page else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text that was taken to be read; `words` is empty when it has gone meanwhile."""

    workspace: str
    text_id: UUID
    revision: int
    attempts: int
    at: datetime
    words: str


async def take(tx: AsyncConnection, limit: int) -> list[Waiting]:
    """Texts that wait, new ones before old ones; nobody else takes them for a while."""
    rows = await tx.execute(
        text(
            "WITH picked AS (SELECT workspace, text_id FROM feedback.text_enrichment "
            "WHERE state = 'waiting' AND free_at <= clock_timestamp() ORDER BY old, free_at "
            "LIMIT :limit FOR UPDATE SKIP LOCKED), "
            "taken AS (UPDATE feedback.text_enrichment t SET attempts = t.attempts + 1, "
            "free_at = clock_timestamp() + make_interval(secs => :held) FROM picked p "
            "WHERE t.workspace = p.workspace AND t.text_id = p.text_id RETURNING t.workspace, "
            "t.text_id, t.revision, t.attempts, t.at, t.source, t.part, t.response_id, t.case_id, "
            "t.message_id) "
            "SELECT t.workspace, t.text_id, t.revision, t.attempts, t.at, left(coalesce("
            "CASE t.source WHEN 'answer' THEN CASE t.part WHEN 'comment' THEN r.comment "
            "ELSE r.words->>substr(t.part, 7) END "
            "WHEN 'case' THEN concat_ws(E'\\n', nullif(c.subject, ''), nullif(c.body, '')) "
            "ELSE m.body END, ''), :most) AS words FROM taken t "
            "LEFT JOIN feedback.response r ON r.workspace = t.workspace "
            "AND r.response_id = t.response_id "
            "LEFT JOIN feedback.complaint c ON c.workspace = t.workspace AND c.case_id = t.case_id "
            "LEFT JOIN feedback.case_message m ON m.workspace = t.workspace "
            "AND m.message_id = t.message_id ORDER BY t.workspace, t.text_id"
        ),
        {"limit": limit, "held": HELD_SECONDS, "most": MOST + 1},
    )
    return [Waiting(**row) for row in rows.mappings()]


async def settle(tx: AsyncConnection, read: Sequence[tuple[Waiting, Enrichment]], by: str) -> None:
    """Keep what was read, of those that are as they were when they were taken."""
    if not read:
        return
    await tx.execute(
        text(
            "UPDATE feedback.text_enrichment SET state = 'done', reason = NULL, read_by = :by, "
            "read_at = CASE WHEN anonymous THEN date_trunc('day', clock_timestamp()) "
            "+ interval '1 day' ELSE clock_timestamp() END, "
            "free_at = CASE WHEN anonymous THEN at ELSE free_at END, "
            "language = :language, sentiment = :sentiment, label = coalesce(said_label, :label), "
            "topics = coalesce(said_topics, :topics), bands = :bands, "
            "result = CAST(:result AS json) WHERE workspace = :workspace "
            "AND text_id = :text_id AND revision = :revision AND state = 'waiting'"
        ),
        [
            {
                **_place(one),
                "by": by,
                "language": found.language,
                "sentiment": found.sentiment,
                "label": found.label,
                "topics": sorted({each.topic for each in found.topics}),
                "bands": list(found.bands),
                "result": msgspec.json.encode(found).decode(),
            }
            for one, found in read
        ],
    )


async def settle_failed(tx: AsyncConnection, failed: Sequence[tuple[Waiting, str]]) -> None:
    """Note that texts could not be read: they are tried again later, and given up in the end."""
    if not failed:
        return
    await tx.execute(
        text(
            "UPDATE feedback.text_enrichment SET reason = :reason, "
            "state = CASE WHEN attempts >= :most THEN 'failed' ELSE 'waiting' END "
            "WHERE workspace = :workspace AND text_id = :text_id AND revision = :revision "
            "AND state = 'waiting'"
        ),
        [{**_place(one), "reason": why, "most": MOST_ATTEMPTS} for one, why in failed],
    )


async def forget(tx: AsyncConnection, gone: Sequence[Waiting]) -> None:
    """Drop texts whose words have gone."""
    if gone:
        await tx.execute(
            text(
                "DELETE FROM feedback.text_enrichment WHERE workspace = :workspace "
                "AND text_id = :text_id AND revision = :revision"
            ),
            [_place(one) for one in gone],
        )


def _place(one: Waiting) -> dict[str, Any]:
    return {"workspace": one.workspace, "text_id": one.text_id, "revision": one.revision}


async def backlog(tx: AsyncConnection) -> tuple[int, float]:
    """How many texts of all workspaces wait, and since when the oldest new one does, in seconds."""
    rows = await tx.execute(
        text(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(free_at) "
            "FILTER (WHERE NOT old AND NOT anonymous)), 0) FROM feedback.text_enrichment "
            "WHERE state = 'waiting'"
        )
    )
    number, seconds = rows.one()
    return int(number), max(0.0, float(seconds))
