"""Which messages to the same people are due, too, and go first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.contacting import Rivals
from rapport_common.db import pack_texts, packed_texts

_AHEAD = text(
    "SELECT v.send_key, p.channel, p.purpose, count(*) AS number, max(c.priority) AS priority "
    f"FROM unnest({packed_texts('workspaces')}, {packed_texts('profiles')}, "
    f"{packed_texts('priorities')}, {packed_texts('keys')}) "
    "AS v(workspace, profile_id, priority, send_key) "
    "JOIN campaign.plan p ON p.workspace = v.workspace AND p.profile_id = v.profile_id "
    "AND p.kind = 'entry' AND p.due_at <= statement_timestamp() "
    f"AND p.send_key <> ALL ({packed_texts('here')}) "
    "JOIN campaign.campaign c ON c.workspace = p.workspace AND c.campaign_id = p.campaign_id "
    "AND c.state = 'running' AND c.priority > CAST(v.priority AS int) "
    "GROUP BY v.send_key, p.channel, p.purpose"
)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What goes before a message of a priority to somebody, under one of their ids."""

    workspace: str
    profile_id: str
    priority: int
    send_key: str


async def ahead(
    tx: AsyncConnection, asked: Sequence[Ahead], here: Sequence[str]
) -> Mapping[str, Sequence[Rivals]]:
    """By send key: messages of greater priority that are due, but for those that are `here`."""
    found: dict[str, list[Rivals]] = {}
    if not asked:
        return found
    rows = await tx.execute(
        _AHEAD,
        {
            "workspaces": pack_texts([one.workspace for one in asked]),
            "profiles": pack_texts([one.profile_id for one in asked]),
            "priorities": pack_texts([str(one.priority) for one in asked]),
            "keys": pack_texts([one.send_key for one in asked]),
            "here": pack_texts(here),
        },
    )
    for row in rows:
        found.setdefault(row.send_key, []).append(
            Rivals(row.channel, row.purpose, row.number, row.priority)
        )
    return found
