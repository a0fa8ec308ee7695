"""Topics of a workspace in versions, models in versions, what people have said, and spikes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.texts.spikes import Spike
from rapport_feedback.domain.texts.topic_rules import TopicDocument

_COLUMNS = "name, version, CAST(document AS text) AS document, actor, reason, created_at"
_DECODE = msgspec.json.Decoder(TopicDocument)


@dataclass(frozen=True, slots=True)
class TopicVersion:
    """One version of a topic, by whom and why; None: it was taken away then."""

    name: str
    version: int
    document: TopicDocument | None
    actor: str
    reason: str
    created_at: datetime


async def lock(tx: AsyncConnection, workspace: str) -> None:
    """Let nobody else change the topics of a workspace until the end."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('text_topic/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def newest(
    tx: AsyncConnection, workspace: str, *, after: str = "", limit: int
) -> list[TopicVersion]:
    """What holds, by name: what comes after one."""
    rows = await tx.execute(
        text(
            f"SELECT * FROM (SELECT DISTINCT ON (name) {_COLUMNS} FROM feedback.text_topic "
            "WHERE workspace = :workspace ORDER BY name, version DESC) AS n "
            "WHERE n.document IS NOT NULL AND n.name > :after ORDER BY n.name LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [_version(row) for row in rows]


async def history(
    tx: AsyncConnection, workspace: str, name: str, *, before: int | None = None, limit: int
) -> list[TopicVersion]:
    """All versions of one, the newest first: those before one, if given."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.text_topic WHERE workspace = :workspace "
            "AND name = :name AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "name": name, "before": before, "limit": limit},
    )
    return [_version(row) for row in rows]


async def add(
    tx: AsyncConnection,
    workspace: str,
    name: str,
    version: int,
    document: TopicDocument | None,
    *,
    by: tuple[str, str],
) -> None:
    """A new version by (who, why); the workspace's topics are locked."""
    await tx.execute(
        text(
            "INSERT INTO feedback.text_topic (workspace, name, version, document, actor, reason) "
            "VALUES (:workspace, :name, :version, CAST(:document AS json), :actor, :reason)"
        ),
        {
            "workspace": workspace,
            "name": name,
            "version": version,
            "document": None if document is None else msgspec.json.encode(document).decode(),
            "actor": by[0],
            "reason": by[1],
        },
    )


def _version(row: Row[Any]) -> TopicVersion:
    document = None if row.document is None else _DECODE.decode(row.document)
    return TopicVersion(row.name, row.version, document, row.actor, row.reason, row.created_at)


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Texts of topics by day: {topic: {day: texts}}, the day of the first text, and topics of which
    texts of the time have still to be read by their newest version.
    """

    counts: Mapping[str, Mapping[date, int]]
    first: date | None
    unread: frozenset[str]


async def counts(tx: AsyncConnection, workspace: str, since: date, until: date) -> DayCounts:
    """Of the days in [since, until), by UTC."""
    given = {"workspace": workspace, "since": since, "until": until}
    within = (
        "e.workspace = :workspace AND e.at >= CAST(:since AS date) AT TIME ZONE 'UTC' "
        "AND e.at < CAST(:until AS date) AT TIME ZONE 'UTC'"
    )
    rows = await tx.execute(
        text(
            "SELECT topic, CAST(e.at AT TIME ZONE 'UTC' AS date) AS day, count(*) AS texts "
            "FROM feedback.text_enrichment e CROSS JOIN LATERAL unnest(e.topics) AS topic "
            f"WHERE {within} GROUP BY 1, 2"
        ),
        given,
    )
    found: dict[str, dict[date, int]] = {}
    for row in rows:
        found.setdefault(row.topic, {})[row.day] = row.texts
    first = await tx.scalar(
        text(
            "SELECT CAST(min(e.at) AT TIME ZONE 'UTC' AS date) FROM feedback.text_enrichment e "
            f"WHERE {within}"
        ),
        given,
    )
    unread = await tx.execute(
        text(
            "SELECT n.name FROM (SELECT name, max(created_at) AS created_at "
            "FROM feedback.text_topic WHERE workspace = :workspace GROUP BY name) n "
            f"WHERE EXISTS (SELECT FROM feedback.text_enrichment e WHERE {within} "
            "AND e.at < n.created_at AND e.read_at < n.created_at AND e.state <> 'failed')"
        ),
        given,
    )
    return DayCounts(found, first, frozenset(row[0] for row in unread))


@dataclass(frozen=True, slots=True)
class SeenSpike:
    """A day on which there was more of a topic than by chance."""

    day: date
    count: int
    expected: float
    p: float
    seen_at: datetime


async def add_spikes(
    tx: AsyncConnection, workspace: str, day: date, found: Sequence[Spike]
) -> list[str]:
    """Note a day's spikes, each once: the topics that are new. Counts of those known grow."""
    new = []
    for one in sorted(found, key=lambda spike: spike.topic):
        is_new = await tx.scalar(
            text(
                "INSERT INTO feedback.text_spike AS s (workspace, topic, day, count, expected, p) "
                "VALUES (:workspace, :topic, :day, :count, :expected, :p) "
                "ON CONFLICT (workspace, topic, day) DO UPDATE SET "
                "count = greatest(s.count, excluded.count), p = least(s.p, excluded.p) "
                "RETURNING xmax = 0"
            ),
            {
                "workspace": workspace,
                "topic": one.topic,
                "day": day,
                "count": one.count,
                "expected": one.expected,
                "p": one.p,
            },
        )
        if is_new:
            new.append(one.topic)
    return new


async def spikes_of(
    tx: AsyncConnection, workspace: str, topic: str, *, before: date | None, limit: int
) -> list[SeenSpike]:
    """Those of a topic, the newest first."""
    rows = await tx.execute(
        text(
            "SELECT day, count, expected, p, seen_at FROM feedback.text_spike "
            "WHERE workspace = :workspace AND topic = :topic "
            "AND (CAST(:before AS date) IS NULL OR day < :before) ORDER BY day DESC LIMIT :limit"
        ),
        {"workspace": workspace, "topic": topic, "before": before, "limit": limit},
    )
    return [SeenSpike(**row) for row in rows.mappings()]
