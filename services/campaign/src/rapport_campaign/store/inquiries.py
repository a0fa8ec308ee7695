"""What is in the hands of providers that can be asked about it, until its end is known."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import MessageKey
from rapport_campaign.store.moves import places


class Inquiry(NamedTuple):
    """A message that was handed over `at`; asked about so often, and to be asked about `ask_at`."""

    workspace: str
    message_id: str
    account_id: str
    digest: str
    at: datetime
    ask_at: datetime
    asked: int = 0

    @property
    def key(self) -> MessageKey:
        """Which message it is."""
        return self.workspace, self.message_id


_ADD = text(
    "INSERT INTO campaign.inquiry (workspace, message_id, account_id, digest, at, ask_at, asked) "
    "SELECT v.workspace, v.message_id, v.account_id, v.digest, :at, :ask_at, 0 FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:messages AS text[]), CAST(:accounts AS uuid[]), "
    "CAST(:digests AS text[])) AS v(workspace, message_id, account_id, digest) "
    "ORDER BY v.workspace, v.message_id ON CONFLICT (workspace, message_id) DO UPDATE SET "
    "account_id = excluded.account_id, digest = excluded.digest, at = excluded.at, "
    "ask_at = excluded.ask_at, asked = 0"
)
_DUE = text(
    "WITH due AS (SELECT workspace, message_id FROM campaign.inquiry WHERE ask_at <= :now "
    "ORDER BY ask_at LIMIT :limit FOR UPDATE SKIP LOCKED) "
    "UPDATE campaign.inquiry i SET ask_at = :lease FROM due WHERE i.workspace = due.workspace "
    "AND i.message_id = due.message_id RETURNING i.workspace, i.message_id, "
    "i.account_id::text, i.digest, i.at, i.ask_at, i.asked"
)
_FORGET = text(
    "DELETE FROM campaign.inquiry i USING (SELECT * FROM unnest(CAST(:workspaces AS text[]), "
    "CAST(:keys AS text[])) ORDER BY 1, 2) AS v(workspace, message_id) "
    "WHERE i.workspace = v.workspace AND i.message_id = v.message_id"
)
_PUT_OFF = text(
    "UPDATE campaign.inquiry SET ask_at = :ask_at, asked = :asked "
    "WHERE workspace = :workspace AND message_id = :message_id"
)
_KNOWN = text(
    "SELECT provider_id FROM campaign.delivery WHERE workspace = :workspace AND vendor = :vendor "
    "AND provider_id = ANY(CAST(:ids AS text[])) AND message_id <> :message_id"
)


async def add(tx: AsyncConnection, inquiries: Sequence[Inquiry]) -> None:
    """Note what is handed over, all at one time, before it is."""
    if not inquiries:
        return
    await tx.execute(
        _ADD,
        {
            "workspaces": [one.workspace for one in inquiries],
            "messages": [one.message_id for one in inquiries],
            "accounts": [one.account_id for one in inquiries],
            "digests": [one.digest for one in inquiries],
            "at": inquiries[0].at,
            "ask_at": inquiries[0].ask_at,
        },
    )


async def due(tx: AsyncConnection, now: datetime, lease: datetime, limit: int) -> list[Inquiry]:
    """What is to be asked about now; nobody else asks about it before `lease`."""
    rows = await tx.execute(_DUE, {"now": now, "lease": lease, "limit": limit})
    return [Inquiry(*row) for row in rows]


async def forget(tx: AsyncConnection, keys: Iterable[MessageKey]) -> None:
    """What became of these is known, or never will be."""
    listed = list(keys)
    if listed:
        await tx.execute(_FORGET, places(listed))


async def put_off(tx: AsyncConnection, one: Inquiry, ask_at: datetime, asked: int) -> None:
    """Ask about it again then."""
    where = {"workspace": one.workspace, "message_id": one.message_id}
    await tx.execute(_PUT_OFF, {**where, "ask_at": ask_at, "asked": asked})


async def known(
    tx: AsyncConnection, workspace: str, vendor: str, ids: Sequence[str], message_id: str
) -> set[str]:
    """Which of these are what a vendor calls others of our messages."""
    asked = {"workspace": workspace, "vendor": vendor, "ids": list(ids), "message_id": message_id}
    return set((await tx.execute(_KNOWN, asked)).scalars())
