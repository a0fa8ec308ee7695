"""What became of the events that were not accepted: both sides of the quarantine's equation."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of all that a source was refused: rejected <= open + resolved + expired."""

    source: str
    rejected: int
    open: int
    replayed: int
    discarded: int
    expired: int

    @property
    def kept(self) -> int:
        """How many rows there ever were."""
        return self.open + self.replayed + self.discarded + self.expired


async def kept(tx: AsyncConnection) -> int:
    """How many events of all workspaces were ever kept, those deleted since among them."""
    result = await tx.execute(
        text(
            "SELECT (SELECT count(*) FROM ingest.quarantine) "
            "+ (SELECT coalesce(sum(expired), 0) FROM ingest.tally_source)"
        )
    )
    return int(result.scalar_one())


async def balances(
    tx: AsyncConnection, workspace: str, *, after: str | None, limit: int
) -> list[Balance]:
    """What became of what each source was refused, by source; of those behind `after`."""
    result = await tx.execute(
        text(
            "SELECT source, coalesce(t.rejected, 0), coalesce(q.open, 0), "
            "coalesce(q.replayed, 0), coalesce(q.discarded, 0), coalesce(t.expired, 0) "
            "FROM (SELECT source, rejected, expired FROM ingest.tally_source "
            "WHERE workspace = :workspace) AS t FULL JOIN (SELECT source, "
            "count(*) FILTER (WHERE resolved_at IS NULL) AS open, "
            "count(*) FILTER (WHERE resolution = 'replayed') AS replayed, "
            "count(*) FILTER (WHERE resolution = 'discarded') AS discarded "
            "FROM ingest.quarantine WHERE workspace = :workspace GROUP BY source) AS q "
            "USING (source) WHERE CAST(:after AS text) IS NULL OR source > :after "
            "ORDER BY source LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Balance(*row) for row in result]
