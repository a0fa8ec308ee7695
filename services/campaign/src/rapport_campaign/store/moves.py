"""Where messages are, and the columns that go with them from one place to the next (ADR 74).

`plan` (due at some time) → `sending` (in a sender's hands) → `message` (the ledger: what became of
it). Every statement that moves rows tells of each move, so that the totals are kept by it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from rapport_campaign.domain.model import Campaign, Kind, MessageKey, MessageState

FIXED = (
    "workspace, send_key, planned_at, kind, purpose, campaign_id, occasion, step, channel, "
    "profile_id, traceparent"
)
"""What a message is for ever."""
WAY = "queue, needed_version, waits, late_at"
"""What it takes to send it, until it has ended."""
TOLD = (
    "workspace, send_key, kind, coalesce(campaign_id::text, '') AS campaign, "
    "CAST(:before AS text) AS before, state AS after, reason, channel"
)
"""What is returned of each row that moved, of a query that knows its state."""


class Move(NamedTuple):
    """A message that was in one state, or in none, and is in another."""

    workspace: str
    send_key: str
    kind: Kind
    campaign: str
    before: MessageState | None
    after: MessageState
    reason: str | None
    channel: str

    @property
    def key(self) -> MessageKey:
        """Its place."""
        return (self.workspace, self.send_key)


def new_entry(campaign: Campaign) -> Move:
    """Of one who was in a segment: planned, and which it is matters to nobody who counts."""
    workspace, named, channel = campaign.workspace, campaign.campaign_id, campaign.channel
    return Move(workspace, "", "entry", named, None, "planned", None, channel)


def moves(rows: Iterable[Row[Any]]) -> list[Move]:
    """The moves that a statement tells of."""
    return [Move(*tuple(row)) for row in rows]


def places(keys: Sequence[MessageKey]) -> dict[str, list[str]]:
    """Places as parameters: arrays of workspaces and of send keys."""
    return {"workspaces": [one[0] for one in keys], "keys": [one[1] for one in keys]}


def at(alias: str) -> str:
    """The columns that a message has for ever, of a table by its alias."""
    return ", ".join(f"{alias}.{name}" for name in FIXED.split(", "))
