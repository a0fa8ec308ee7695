"""Texts as they are shown: listed by what was read of them, each with reasons and corrections."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.texts.enriching import Enrichment

_COLUMNS = (
    "text_id, source, response_id, case_id, message_id, part, anonymous, at, revision, state, "
    "reason, read_by, read_at, language, sentiment, label, topics, said_label, said_topics, bands, "
    "CAST(result AS text) AS result"
)
_TOLD = (
    "(NOT e.anonymous OR EXISTS (SELECT FROM feedback.response r WHERE r.workspace = e.workspace "
    "AND r.response_id = e.response_id AND r.released))"
)
"""An anonymous text is told of with its answer: among enough others, before that to nobody."""

CANDIDATES = 200
"""Texts with a band in common that are compared."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text's row: what holds of it, and what was read; None: not yet."""

    text_id: UUID
    source: str
    response_id: UUID | None
    case_id: UUID | None
    message_id: str | None
    part: str
    anonymous: bool
    at: datetime
    revision: int
    state: str
    reason: str | None
    read_by: str | None
    read_at: datetime | None
    language: str | None
    sentiment: float | None
    label: str | None
    topics: Sequence[str]
    said_label: str | None
    said_topics: Sequence[str] | None
    bands: Sequence[int]
    result: Enrichment | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which texts are asked for; None: any."""

    topic: str | None = None
    label: str | None = None
    language: str | None = None
    state: str | None = None
    source: str | None = None


async def listed(
    tx: AsyncConnection, workspace: str, asked: Asked, *, after: UUID | None, limit: int
) -> list[Text]:
    """By their ids: in an order that says nothing of when they came."""
    conditions = {
        "topic": "topics @> ARRAY[CAST(:topic AS text)]",
        "label": "label = :label",
        "language": "language = :language",
        "state": "state = :state",
        "source": "source = :source",
    }
    given = {name: value for name in conditions if (value := getattr(asked, name)) is not None}
    where = "".join(f" AND {conditions[name]}" for name in given)
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.text_enrichment e "
            f"WHERE workspace = :workspace{where} AND {_TOLD} "
            "AND (CAST(:after AS uuid) IS NULL OR text_id > :after) ORDER BY text_id LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit, **given},
    )
    return [_text(row) for row in rows.mappings()]


async def one(
    tx: AsyncConnection, workspace: str, text_id: UUID, *, lock: bool = False
) -> Text | None:
    """A text of a workspace."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.text_enrichment e "
            f"WHERE workspace = :workspace AND text_id = :text_id AND {_TOLD} "
            f"{'FOR UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "text_id": text_id},
    )
    row = rows.mappings().first()
    return None if row is None else _text(row)


async def candidates(tx: AsyncConnection, workspace: str, of: Text) -> list[Text]:
    """Other texts that may be nearly the same; none of an anonymous one, nor such a one.

    The same words under a name would tell whose it is.
    """
    if of.anonymous:
        return []
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.text_enrichment WHERE workspace = :workspace "
            "AND NOT anonymous AND bands && CAST(:bands AS bigint[]) AND text_id <> :text_id "
            "ORDER BY text_id LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "bands": list(of.bands),
            "text_id": of.text_id,
            "limit": CANDIDATES,
        },
    )
    return [_text(row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody has said a text is; None: nothing of that."""

    number: int
    revision: int
    topics: Sequence[str] | None
    label: str | None
    actor: str
    at: datetime


async def corrections(tx: AsyncConnection, workspace: str, text_id: UUID) -> list[Correction]:
    """All of a text, the newest first."""
    rows = await tx.execute(
        text(
            "SELECT number, revision, topics, label, actor, at FROM feedback.text_correction "
            "WHERE workspace = :workspace AND text_id = :text_id ORDER BY number DESC LIMIT 100"
        ),
        {"workspace": workspace, "text_id": text_id},
    )
    return [Correction(**row) for row in rows.mappings()]


async def correct(
    tx: AsyncConnection,
    workspace: str,
    of: Text,
    *,
    topics: Sequence[str] | None,
    label: str | None,
    actor: str,
) -> None:
    """Let what people say hold of a text at once; the row is locked."""
    given = {
        "workspace": workspace,
        "text_id": of.text_id,
        "revision": of.revision,
        "topics": topics,
        "label": label,
        "actor": actor,
    }
    await tx.execute(
        text(
            "INSERT INTO feedback.text_correction (workspace, text_id, number, revision, topics, "
            "label, actor) SELECT :workspace, :text_id, coalesce(max(number), 0) + 1, :revision, "
            "CAST(:topics AS text[]), CAST(:label AS text), :actor FROM feedback.text_correction "
            "WHERE workspace = :workspace AND text_id = :text_id"
        ),
        given,
    )
    await tx.execute(
        text(
            "UPDATE feedback.text_enrichment SET "
            "said_topics = coalesce(CAST(:topics AS text[]), said_topics), "
            "topics = coalesce(CAST(:topics AS text[]), topics), "
            "said_label = coalesce(CAST(:label AS text), said_label), "
            "label = coalesce(CAST(:label AS text), label) "
            "WHERE workspace = :workspace AND text_id = :text_id"
        ),
        {name: given[name] for name in ("workspace", "text_id", "topics", "label")},
    )


@dataclass(frozen=True, slots=True)
class TopicScore:
    """People's scores where a text of theirs is of a topic: answers, and how many of each kind."""

    answers: int
    anonymous: int
    detractors: int
    promoters: int
    negative: int
    texts: int


async def score(
    tx: AsyncConnection, workspace: str, topic: str, since: datetime, until: datetime
) -> TopicScore:
    """The answers of NPS, each once, and texts of any source in [since, until).

    `anonymous` are answers of any survey whose texts are among these.
    """
    rows = await tx.execute(
        text(
            "WITH of_topic AS (SELECT workspace, response_id, label, anonymous "
            f"FROM feedback.text_enrichment e WHERE {_TOLD} AND "
            "workspace = :workspace AND topics @> ARRAY[CAST(:topic AS text)] "
            "AND state = 'done' AND at >= :since AND at < :until), "
            "answers AS (SELECT r.score FROM feedback.response r "
            "JOIN feedback.survey s ON s.workspace = r.workspace AND s.survey_id = r.survey_id "
            "WHERE r.workspace = :workspace AND s.kind = 'nps' AND r.score IS NOT NULL "
            "AND EXISTS (SELECT FROM of_topic t WHERE t.workspace = r.workspace "
            "AND t.response_id = r.response_id)) "
            "SELECT (SELECT count(*) FROM answers) AS answers, "
            "(SELECT count(DISTINCT response_id) FROM of_topic WHERE anonymous) AS anonymous, "
            "(SELECT count(*) FROM answers WHERE score <= 6) AS detractors, "
            "(SELECT count(*) FROM answers WHERE score >= 9) AS promoters, "
            "(SELECT count(*) FROM of_topic WHERE label = 'negative') AS negative, "
            "(SELECT count(*) FROM of_topic) AS texts"
        ),
        {"workspace": workspace, "topic": topic, "since": since, "until": until},
    )
    return TopicScore(**rows.mappings().one())


def _text(row: RowMapping) -> Text:
    given: dict[str, Any] = dict(row)
    result = given.pop("result")
    read = None if result is None else msgspec.json.decode(result, type=Enrichment)
    return Text(**given, result=read)
