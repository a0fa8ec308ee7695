"""What ingest holds of somebody who is to be forgotten: what was refused, what waits, what shows.

What is accepted and waits for Kafka goes there: it was promised, and profile refuses it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common.privacy.aside import aside_sweeps, keyed
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import AND_AT, BEFORE, Change, Found, Page, Read, Sweep, changing
from rapport_ingest.tables import SCHEMA

QUARANTINE_PAGE = 50
"""Bodies are long, and each is read: others get their turn."""

_COUNT = (
    "INSERT INTO ingest.tally_source AS t "
    "(workspace, source, received, accepted, spooled, rejected, {0}) "
    "VALUES (:workspace, :source, 0, 0, 0, 0, :rows) ON CONFLICT (workspace, source) "
    "DO UPDATE SET {0} = t.{0} + excluded.{0}"
)
_EXPIRED = text(_COUNT.format("expired"))
_GIVEN_UP = text(_COUNT.format("spool_discarded"))

LIVE = Found(
    "ingest.live_message",
    "DELETE FROM ingest.live_message WHERE id IN (SELECT id FROM ingest.live_message "
    "WHERE said_at < :at LIMIT :limit)",
    names=frozenset({"at"}),
)
HOLDS = Found(
    "ingest.hold",
    # Who has the same restraint and is not forgotten keeps it.
    "UPDATE ingest.hold SET subjects = ARRAY(SELECT one FROM unnest(subjects) AS one "
    "WHERE one <> ALL (CAST(:subjects AS text[]))) WHERE ctid IN (SELECT ctid FROM ingest.hold "
    "WHERE workspace = :workspace AND subjects && CAST(:subjects AS text[]) LIMIT :limit)",
    names=frozenset({"workspace", "subjects"}),
)


def sweeps(recogniser: Recogniser) -> list[Sweep]:
    """All of it, in the order in which it goes."""
    return [
        LIVE,
        HOLDS,
        _Spool(),
        _refused(recogniser),
        _quarantine(recogniser),
        _catalogue(recogniser),
        _violations(recogniser),
        _jobs(recogniser),
        *aside_sweeps(SCHEMA, recogniser),
    ]


class _Spool(Sweep):
    """Waits until what was accepted of the person has gone to Kafka."""

    table = "ingest.spool"

    @override
    async def page(self, tx: AsyncConnection, _who: Subject, after: str | None) -> Page:
        """Nothing to remove; the newest row of the first look has to be gone."""
        newest = after or await tx.scalar(
            text("SELECT CAST(coalesce(max(id), 0) AS text) FROM ingest.spool")
        )
        left = await tx.scalar(
            text("SELECT EXISTS (SELECT FROM ingest.spool WHERE id <= :newest)"),
            {"newest": int(newest or 0)},
        )
        return Page(after=newest, waits=True) if left else Page()

    @override
    async def count(self, _tx: AsyncConnection, _who: Subject) -> int | None:
        """Nothing of it is removed."""
        return 0


def _counting(delete: Change, count: TextClause) -> Change:
    """Delete rows, and count them for their sources."""

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        await delete(tx, who, rows)
        by_source: dict[str, int] = {}
        for row in rows:
            by_source[row.source] = by_source.get(row.source, 0) + 1
        for source, number in sorted(by_source.items()):
            await tx.execute(count, {"workspace": who.workspace, "source": source, "rows": number})

    return change


def _refused(recogniser: Recogniser) -> Sweep:
    """Accepted events that Kafka refuses: given up, in the ledger."""
    key = {"id": "bigint"}

    def speaks(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
        return bytes(row[1]) in keyed(who) or known.speaks_of(who, *row[2:])

    return Read(
        "ingest.spool_refused",
        key,
        ("source", "key", "value", "reason"),
        recogniser,
        _counting(changing("DELETE FROM ingest.spool_refused", key), _GIVEN_UP),
        speaks=speaks,
    )


def _quarantine(recogniser: Recogniser) -> Sweep:
    """Rejected events: as if their time had come."""
    key = {"id": "bigint"}
    return Read(
        "ingest.quarantine",
        key,
        ("source", "body", "reason", "message_id", "path"),
        recogniser,
        _counting(changing("DELETE FROM ingest.quarantine", key), _EXPIRED),
        speaks=lambda row, who, known: known.speaks_of(who, *row[1:]),
        where=f"workspace = :workspace AND received_at < {BEFORE}",
        names=AND_AT,
        size=QUARANTINE_PAGE,
    )


def _catalogue(recogniser: Recogniser) -> Sweep:
    key = {"source": "text", "type": "text", "name": "text"}
    return Read(
        "ingest.catalogue",
        key,
        ("CAST(example AS text) AS told",),
        recogniser,
        changing("UPDATE ingest.catalogue SET example = NULL", key),
        where="workspace = :workspace AND example IS NOT NULL",
    )


def _violations(recogniser: Recogniser) -> Sweep:
    key = dict.fromkeys(("source", "type", "name", "version", "path", "rule"), "text")
    return Read(
        "ingest.violation",
        key,
        ("message", "message_id"),
        recogniser,
        changing("DELETE FROM ingest.violation", key),
    )


def _jobs(recogniser: Recogniser) -> Sweep:
    """The first rows that an import has shown or refused."""
    key = {"id": "text"}
    return Read(
        "ingest.job",
        key,
        ("CAST(report AS text) AS told", "error"),
        recogniser,
        changing(
            "UPDATE ingest.job SET report = report - 'preview' - 'errors', error = CASE "
            "WHEN error IS NOT NULL THEN 'It told of somebody who was forgotten.' END",
            key,
        ),
    )
