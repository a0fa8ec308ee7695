"""Cases by words in them: subject, description, messages, notes, order and who it is."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.case_search import only
from rapport_feedback.domain.cases import Complaint
from rapport_feedback.store.cases import COLUMNS, complaint_of

MOST_HITS = 2000
"""Of each table so many at most are looked at: any of them if there are more."""

SECONDS = 3
_ASKED = "to_tsquery('simple', :query)"
_QUERY = f"(CAST(:mine AS tsquery) && {_ASKED}) AND numnode({_ASKED}) > 0"
"""An index of all workspaces' words is read for one. Of what has no word for Postgres nothing is
found, instead of everything."""
_PLACES = {
    "case": ("complaint", "subject || ' ' || body"),
    "message": ("case_message", "subject || ' ' || body"),
    "note": ("case_entry", "note"),
    "step": ("case_event", "note"),
}


class Hit(NamedTuple):
    """A case that has all words in one of these places, and the words there."""

    complaint: Complaint
    places: list[str]
    excerpt: str


async def within_time(tx: AsyncConnection) -> None:
    """What follows in this transaction takes so long at most."""
    await tx.execute(text(f"SET LOCAL statement_timeout = '{SECONDS}s'"))


async def search(
    tx: AsyncConnection, workspace: str, query: str, *, before: int | None, limit: int
) -> list[Hit]:
    """Cases with all words of a query, the newest first: those before a number, if given."""
    found = " UNION ALL ".join(
        f"(SELECT case_id, '{place}' AS place FROM feedback.{table} "
        f"WHERE workspace = :workspace AND words @@ {_QUERY} LIMIT {MOST_HITS})"
        for place, (table, _text) in _PLACES.items()
    )
    rows = await tx.execute(
        text(
            f"WITH hit AS MATERIALIZED ({found}), grouped AS (SELECT case_id, "
            "array_agg(DISTINCT place) AS places FROM hit GROUP BY case_id) "
            f"SELECT {', '.join(f'c.{one}' for one in COLUMNS.split(', '))}, places "
            "FROM grouped s JOIN feedback.complaint c ON c.workspace = :workspace "
            "AND c.case_id = s.case_id WHERE CAST(:before AS bigint) IS NULL "
            "OR c.number < :before ORDER BY c.number DESC LIMIT :limit"
        ),
        {**_given(workspace, query), "before": before, "limit": limit},
    )
    hits = [(complaint_of(row), list(row["places"])) for row in rows.mappings()]
    told = await _excerpts(tx, workspace, query, [one.case_id for one, _ in hits])
    return [Hit(one, sorted(places), told.get(one.case_id, "")) for one, places in hits]


async def _excerpts(
    tx: AsyncConnection, workspace: str, query: str, cases: list[UUID]
) -> dict[UUID, str]:
    """The words around what was found, of each case from one place."""
    parts = " UNION ALL ".join(
        f"(SELECT case_id, {told} AS told FROM feedback.{table} WHERE workspace = :workspace "
        f"AND case_id = ANY(CAST(:cases AS uuid[])) AND words @@ {_QUERY})"
        for table, told in _PLACES.values()
    )
    rows = await tx.execute(
        text(
            "SELECT DISTINCT ON (case_id) case_id, left(told, 2000) AS told FROM "
            f"({parts}) AS places ORDER BY case_id, length(told)"
        ),
        {**_given(workspace, query), "cases": cases},
    )
    return {row.case_id: row.told for row in rows}


def _given(workspace: str, query: str) -> dict[str, Any]:
    return {"workspace": workspace, "mine": only(workspace), "query": query}
