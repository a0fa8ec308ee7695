"""Why messages wait or were suppressed by a rule, for who asks later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.facts import Facts
from rapport_campaign.domain.model import MessageKey

_more = msgspec.json.Decoder(dict[str, str | int])


@dataclass(frozen=True, slots=True)
class Withheld:
    """A message, what it was held back for, and the facts of that."""

    key: MessageKey
    reason: str
    facts: Facts


async def note(tx: AsyncConnection, withheld: Sequence[Withheld], at: datetime) -> None:
    """Keep why, in place of what was kept of the same messages before."""
    ordered = sorted(withheld, key=lambda one: one.key)
    if not ordered:
        return
    await tx.execute(
        text(
            "INSERT INTO campaign.withheld (workspace, send_key, reason, rule, next_at, more, at) "
            "SELECT workspace, send_key, reason, rule, next_at, CAST(more AS json), :at "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), "
            "CAST(:reasons AS text[]), CAST(:rules AS text[]), CAST(:nexts AS timestamptz[]), "
            "CAST(:mores AS text[])) AS v(workspace, send_key, reason, rule, next_at, more) "
            "ON CONFLICT (workspace, send_key) DO UPDATE SET reason = excluded.reason, "
            "rule = excluded.rule, next_at = excluded.next_at, more = excluded.more, "
            "at = excluded.at"
        ),
        {
            "workspaces": [one.key[0] for one in ordered],
            "keys": [one.key[1] for one in ordered],
            "reasons": [one.reason for one in ordered],
            "rules": [one.facts.rule for one in ordered],
            "nexts": [one.facts.next_at for one in ordered],
            "mores": [msgspec.json.encode(one.facts.more).decode() for one in ordered],
            "at": at,
        },
    )


async def find(tx: AsyncConnection, key: MessageKey) -> tuple[str, Facts] | None:
    """The reason that was kept last of a message, with its facts."""
    rows = await tx.execute(
        text(
            "SELECT reason, rule, next_at, CAST(more AS text) AS more FROM campaign.withheld "
            "WHERE workspace = :workspace AND send_key = :send_key"
        ),
        {"workspace": key[0], "send_key": key[1]},
    )
    row = rows.first()
    return (
        None if row is None else (row.reason, Facts(row.rule, row.next_at, _more.decode(row.more)))
    )
