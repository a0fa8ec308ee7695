"""Which posts of connectors have made which cases and messages."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Made = Literal["case", "message"]


async def lock(tx: AsyncConnection, workspace: str, connector: str, external_id: str) -> None:
    """Posts about one case come one after the other."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"feedback.connector\0{workspace}\0{connector}\0{external_id}".replace("\0", "/")},
    )


async def made(
    tx: AsyncConnection, workspace: str, connector: str, kind: Made, external_id: str
) -> UUID | None:
    """The case that somebody else's id has made, or whose message it is."""
    found = await tx.scalar(
        text(
            "SELECT case_id FROM feedback.connector_post WHERE workspace = :workspace "
            "AND connector = :connector AND kind = :kind AND external_id = :external_id"
        ),
        {
            "workspace": workspace,
            "connector": connector,
            "kind": kind,
            "external_id": external_id,
        },
    )
    return found if isinstance(found, UUID) else None


async def note(
    tx: AsyncConnection, place: tuple[str, UUID], own: tuple[str, Made, str], at: datetime
) -> None:
    """What is `own` to a connector (its name, what it is, the id there) has made the case of this
    `place`, or is a message of it: for ever, or until it makes another one.
    """
    connector, kind, external_id = own
    await tx.execute(
        text(
            "INSERT INTO feedback.connector_post (workspace, connector, kind, external_id, "
            "case_id, at) VALUES (:workspace, :connector, :kind, :external_id, :case_id, :at) "
            "ON CONFLICT (workspace, connector, kind, external_id) DO UPDATE "
            "SET case_id = excluded.case_id, at = excluded.at"
        ),
        {
            "workspace": place[0],
            "connector": connector,
            "kind": kind,
            "external_id": external_id,
            "case_id": place[1],
            "at": at,
        },
    )
