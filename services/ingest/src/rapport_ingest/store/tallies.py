"""How many events were answered, by source and verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
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

    def by_verdict(self) -> dict[str, int]:
        """The counts as operators see them."""
        return {
            "received": self.received,
            "accepted": self.accepted,
            "spooled": self.spooled,
            "rejected": self.rejected,
        }

    def add(self, other: "Tally") -> None:
        """Count the other's events too."""
        self.received += other.received
        self.accepted += other.accepted
        self.spooled += other.spooled
        self.rejected += other.rejected


Tallies = dict[Caller, Tally]


@dataclass(frozen=True, slots=True)
class DayTally:
    """The counts of one day (UTC)."""

    day: date
    received: int
    accepted: int
    rejected: int


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


async def add_days(tx: AsyncConnection, day: date, tallies: Mapping[Caller, Tally]) -> None:
    """Add counts to the stored ones of a day, in the same order as `add_tallies`."""
    rows = sorted(tallies.items(), key=lambda one: (one[0].workspace, one[0].source))
    await tx.execute(
        text(
            "INSERT INTO ingest.tally_day AS t "
            "(workspace, source, day, received, accepted, rejected) "
            "SELECT v.workspace, v.source, :day, v.received, v.accepted, v.rejected "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
            "CAST(:received AS bigint[]), CAST(:accepted AS bigint[]), "
            "CAST(:rejected AS bigint[])) AS v(workspace, source, received, accepted, rejected) "
            "ON CONFLICT (workspace, source, day) DO UPDATE SET "
            "received = t.received + excluded.received, "
            "accepted = t.accepted + excluded.accepted, rejected = t.rejected + excluded.rejected"
        ),
        {
            "day": day,
            "workspaces": [caller.workspace for caller, _ in rows],
            "sources": [caller.source for caller, _ in rows],
            "received": [tally.received for _, tally in rows],
            "accepted": [tally.accepted for _, tally in rows],
            "rejected": [tally.rejected for _, tally in rows],
        },
    )


async def received_on(
    tx: AsyncConnection, day: date, callers: Sequence[Caller]
) -> dict[Caller, int]:
    """How many events these sources have sent on a day; a source without any is left out."""
    if not callers:
        return {}
    result = await tx.execute(
        text(
            "SELECT t.workspace, t.source, t.received FROM ingest.tally_day t "
            "JOIN unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[])) "
            "AS asked(workspace, source) USING (workspace, source) WHERE t.day = :day"
        ),
        {
            "day": day,
            "workspaces": [one.workspace for one in callers],
            "sources": [one.source for one in callers],
        },
    )
    return {Caller(row[0], row[1]): row[2] for row in result}


async def days_of(tx: AsyncConnection, caller: Caller, since: date) -> list[DayTally]:
    """The counts of a source by day, oldest first; days without events are left out."""
    result = await tx.execute(
        text(
            "SELECT day, received, accepted, rejected FROM ingest.tally_day "
            "WHERE workspace = :workspace AND source = :source AND day >= :since ORDER BY day"
        ),
        {"workspace": caller.workspace, "source": caller.source, "since": since},
    )
    return [DayTally(*row) for row in result]


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
