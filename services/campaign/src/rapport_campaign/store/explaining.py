"""What the ledger has of one message, and of a person in a campaign, for who asks why."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Kind, MessageState

_COLUMNS = (
    "send_key, kind, campaign_id::text AS campaign_id, profile_id, state, reason, attempt, "
    "planned_at, due_at, sent_at"
)
# Everybody who is the person by now: a message stays under the id that it was planned for.
_OF_PERSON = text(
    "WITH RECURSIVE them AS (SELECT CAST(:profile AS text) AS profile_id "
    "UNION SELECT p.profile_id FROM campaign.person p JOIN them ON p.workspace = :workspace "
    "AND p.heir = them.profile_id) "
    f"SELECT {_COLUMNS} FROM campaign.every_message WHERE workspace = :workspace "
    "AND campaign_id = :campaign AND kind = 'entry' "
    "AND profile_id IN (SELECT profile_id FROM them) ORDER BY planned_at DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A message as the ledger has it."""

    send_key: str
    kind: Kind
    campaign_id: str | None
    profile_id: str
    state: MessageState
    reason: str | None
    attempt: int
    planned_at: datetime
    due_at: datetime | None
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stay:
    """A person's newest stay in a segment."""

    at: datetime
    ended_at: datetime | None


async def message(tx: AsyncConnection, workspace: str, send_key: str) -> Row | None:
    """One message."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.every_message WHERE workspace = :workspace "
            "AND send_key = :send_key AND planned_at = (SELECT planned_at FROM campaign.send "
            "WHERE workspace = :workspace AND send_key = :send_key)"
        ),
        {"workspace": workspace, "send_key": send_key},
    )
    row = rows.mappings().first()
    return None if row is None else Row(**row)


async def newest(
    tx: AsyncConnection, workspace: str, profile_id: str, campaign_id: str
) -> Row | None:
    """The newest message of a campaign to a person, `profile_id` being who they are now."""
    rows = await tx.execute(
        _OF_PERSON,
        {"workspace": workspace, "profile": profile_id, "campaign": campaign_id},
    )
    row = rows.mappings().first()
    return None if row is None else Row(**row)


async def stay(
    tx: AsyncConnection, workspace: str, segment_id: str, profile_id: str
) -> Stay | None:
    """A person's newest stay in a segment, as far as it is remembered."""
    rows = await tx.execute(
        text(
            "SELECT at, ended_at FROM campaign.entry WHERE workspace = :workspace "
            "AND segment_id = :segment AND profile_id = :profile ORDER BY at DESC LIMIT 1"
        ),
        {"workspace": workspace, "segment": segment_id, "profile": profile_id},
    )
    row = rows.first()
    return None if row is None else Stay(row.at, row.ended_at)
