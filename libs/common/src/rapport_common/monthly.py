"""Tables that are kept by month: one part for each, and one for whatever is later.

There is no part for whatever has no other: with one, rows could not be read part by part, and a new
month would have to look through it. Months are without a gap, so a row of any time has its place.

Parts are made and taken off while nobody reads or writes the table: some milliseconds. Who waits
for that is not waited for long, so that nobody queues behind.
"""

import re
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.months import Month

_BRIEFLY = text("SET LOCAL lock_timeout = '500ms'")
_PARTS = text(
    "SELECT CAST(c.relname AS text) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = CAST(:name AS regclass) ORDER BY c.relname"
)


class MonthlyTable:
    """The parts of one table, `schema.table`, that is divided by `column`, an instant."""

    def __init__(self, schema: str, table: str, column: str) -> None:
        self._schema = schema
        self._table = table
        self._column = column
        self._named = re.compile(rf"{table}_(\d{{4}})_(\d{{2}})")
        self.late = f"{table}_late"

    @property
    def name(self) -> str:
        """The table with its schema."""
        return f"{self._schema}.{self._table}"

    def part(self, month: Month) -> str:
        """The name of the part that has a month."""
        return f"{self._table}_{month.year:04}_{month.number:02}"

    async def months(self, tx: AsyncConnection) -> list[Month]:
        """The months that have a part, oldest first."""
        names = (await tx.execute(_PARTS, {"name": self.name})).scalars()
        found = (self._named.fullmatch(name) for name in names)
        return sorted(Month(int(one[1]), int(one[2])) for one in found if one)

    async def hold(self, tx: AsyncConnection) -> None:
        """Let nobody read or write the table before this transaction ends.

        It waits half a second at most for those who do: then the database says `lock_timeout`.
        """
        await tx.execute(_BRIEFLY)
        await tx.execute(text(f"LOCK TABLE ONLY {self.name} IN ACCESS EXCLUSIVE MODE"))

    async def extend(self, tx: AsyncConnection, new: Sequence[Month]) -> None:
        """Add months behind the last; the table is held. What was later and is in them moves."""
        late, end = f"{self._schema}.{self.late}", new[-1].following.start.isoformat()
        await tx.execute(text(f"ALTER TABLE {self.name} DETACH PARTITION {late}"))
        for month in new:
            await self.make(
                tx, self.part(month), month.start.isoformat(), month.following.start.isoformat()
            )
        await tx.execute(
            text(
                f"WITH moved AS (DELETE FROM {late} WHERE {self._column} < '{end}' RETURNING *) "
                f"INSERT INTO {self.name} SELECT * FROM moved"
            )
        )
        await tx.execute(
            text(
                f"ALTER TABLE {self.name} ATTACH PARTITION {late} "
                f"FOR VALUES FROM ('{end}') TO (MAXVALUE)"
            )
        )

    async def detach(self, tx: AsyncConnection, part: str) -> None:
        """Take a part off; the table is held."""
        await tx.execute(text(f"ALTER TABLE {self.name} DETACH PARTITION {self._schema}.{part}"))

    async def make(self, tx: AsyncConnection, part: str, start: str | None, end: str) -> None:
        """Make a part from `start` (None: whatever is before) until `end`; the table is held."""
        begin = "MINVALUE" if start is None else f"'{start}'"
        await tx.execute(
            text(
                f"CREATE TABLE {self._schema}.{part} PARTITION OF {self.name} "
                f"FOR VALUES FROM ({begin}) TO ('{end}')"
            )
        )
