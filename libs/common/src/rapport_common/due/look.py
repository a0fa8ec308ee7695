"""What is due, seen at little cost: an idle look is one step into an index for each kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.turns import Head

SAMPLE = 1000
"""Of so many rows of a kind that are due it is seen whose they are. If more are due, a flood of one
may be before the others', and each lane is looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """The time, the moment of the first row that waits (None: nothing does), and the lanes of which
    something is due, each with its first row.
    """

    now: datetime
    first: datetime | None
    due: Sequence[Head]


@dataclass(frozen=True, slots=True)
class Looking:
    """The SQL of a look in one schema; `clock` is an expression for the time."""

    schema: str
    clock: str
    sample: int = SAMPLE

    async def look(
        self, tx: AsyncConnection, given: dict[str, Any], floor: datetime | None
    ) -> Look:
        """Look at the kinds that are `given`, at rows not before `floor`."""
        result = await tx.execute(
            text(
                f"SELECT one.now, h.kind, h.try_at FROM (SELECT {self.clock} AS now) AS one "
                "LEFT JOIN (SELECT k.kind, d.try_at FROM unnest(CAST(:kinds AS text[])) AS k(kind) "
                f"CROSS JOIN LATERAL (SELECT try_at FROM {self.schema}.due WHERE kind = k.kind "
                "AND failed_at IS NULL "
                "AND try_at >= coalesce(CAST(:floor AS timestamptz), '-infinity') "
                "ORDER BY try_at LIMIT 1) AS d) AS h ON true"
            ),
            {**given, "floor": floor},
        )
        rows = result.all()
        now: datetime = rows[0].now
        firsts: dict[str, datetime] = {one.kind: one.try_at for one in rows if one.kind is not None}
        due = sorted(kind for kind, first in firsts.items() if first <= now)
        lanes = await self._lanes(tx, due, now, min(firsts.values())) if due else []
        return Look(now, min(firsts.values(), default=None), lanes)

    async def _lanes(
        self, tx: AsyncConnection, kinds: Sequence[str], now: datetime, first: datetime
    ) -> list[Head]:
        """The lanes of these kinds that are due."""
        result = await tx.execute(
            text(
                "SELECT d.workspace, k.kind, min(d.try_at), count(*) "
                "FROM unnest(CAST(:kinds AS text[])) AS k(kind) CROSS JOIN LATERAL ("
                f"SELECT workspace, try_at FROM {self.schema}.due WHERE kind = k.kind "
                "AND failed_at IS NULL AND try_at BETWEEN :first AND :now "
                "ORDER BY try_at LIMIT :sample) AS d GROUP BY 1, 2"
            ),
            {"kinds": kinds, "first": first, "now": now, "sample": self.sample},
        )
        seen = dict.fromkeys(kinds, 0)
        heads = []
        for *head, rows in result:
            heads.append(Head(*head))
            seen[heads[-1].kind] += rows
        floods = [kind for kind, rows in seen.items() if rows == self.sample]
        if not floods:
            return heads
        others = [one for one in heads if one.kind not in floods]
        return others + await self._each_lane(tx, floods, now, first)

    async def _each_lane(
        self, tx: AsyncConnection, kinds: Sequence[str], now: datetime, first: datetime
    ) -> list[Head]:
        """The same however many rows are due: a step into the index for each lane there is."""
        result = await tx.execute(
            text(
                f"SELECT l.workspace, l.kind, d.try_at FROM {self.schema}.due_lane l "
                f"CROSS JOIN LATERAL (SELECT try_at FROM {self.schema}.due "
                "WHERE workspace = l.workspace AND kind = l.kind AND failed_at IS NULL "
                "AND try_at BETWEEN :first AND :now ORDER BY try_at LIMIT 1) AS d "
                "WHERE l.kind = ANY(CAST(:kinds AS text[]))"
            ),
            {"kinds": kinds, "first": first, "now": now},
        )
        return [Head(*row) for row in result]
