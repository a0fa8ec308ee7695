"""How many events were answered, by source and verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.domain.source import Caller


@dataclass(slots=True)
class Tally:
    """How many events were answered, by verdict; `accepted` includes `spooled`."""

    received: int = 0
    accepted: int = 0
    spooled: int = 0
    rejected: int = 0

    def add(self, other: "Tally") -> None:
        """Count the other's events too."""
        self.received += other.received
        self.accepted += other.accepted
        self.spooled += other.spooled
        self.rejected += other.rejected


Tallies = dict[Caller, Tally]


async def add_tallies(tx: AsyncConnection, tallies: Mapping[Caller, Tally]) -> None:
    """Add counts to the stored ones, in sorted order so that processes can't block each other."""
    rows = sorted(tallies.items(), key=lambda one: (one[0].workspace, one[0].source))
    columns: dict[str, list[Any]] = {
        "workspaces": [caller.workspace for caller, _ in rows],
        "sources": [caller.source for caller, _ in rows],
        "received": [tally.received for _, tally in rows],
        "accepted": [tally.accepted for _, tally in rows],
        "spooled": [tally.spooled for _, tally in rows],
        "rejected": [tally.rejected for _, tally in rows],
    }
    await tx.execute(
        text(
            "INSERT INTO ingest.tally_source AS t "
            "(workspace, source, received, accepted, spooled, rejected) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
            "CAST(:received AS bigint[]), CAST(:accepted AS bigint[]), "
            "CAST(:spooled AS bigint[]), CAST(:rejected AS bigint[])) "
            "ON CONFLICT (workspace, source) DO UPDATE SET "
            "received = t.received + excluded.received, "
            "accepted = t.accepted + excluded.accepted, "
            "spooled = t.spooled + excluded.spooled, rejected = t.rejected + excluded.rejected"
        ),
        columns,
    )


async def total(tx: AsyncConnection) -> Tally:
    """The counts of all sources together."""
    result = await tx.execute(
        text(
            "SELECT coalesce(sum(received), 0), coalesce(sum(accepted), 0), "
            "coalesce(sum(spooled), 0), coalesce(sum(rejected), 0) FROM ingest.tally_source"
        )
    )
    return Tally(*map(int, result.one()))


async def tallies_of(tx: AsyncConnection, workspace: str) -> dict[str, Tally]:
    """The counts of each source of a workspace."""
    result = await tx.execute(
        text(
            "SELECT source, received, accepted, spooled, rejected FROM ingest.tally_source "
            "WHERE workspace = :workspace ORDER BY source"
        ),
        {"workspace": workspace},
    )
    return {row[0]: Tally(*row[1:]) for row in result}
