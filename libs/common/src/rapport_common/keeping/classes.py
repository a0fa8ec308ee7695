"""A class of data: rows of one table, which go when they are older than a workspace keeps them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.privacy.sweeps import typed

PAGE = 500
COUNTED = 100_000


class Piece(NamedTuple):
    """What a page came to: rows removed or blanked, and where the next page begins, if any."""

    removed: int
    after: str | None


@dataclass(frozen=True)
class DataClass:
    """Rows that are kept for a time, and what is done to them when it is over.

    `key`: columns that tell rows of `table` (as `t`) apart, with their types in Postgres; `over`:
    which of them are over their time, by `:before`, and are not gone yet; `gone`: the statements,
    up to their WHERE, that remove or blank a row, the first of which is counted; `held`: SQL by
    which a row, with the columns `owner`, is of somebody whose data are only to be kept.
    """

    name: str
    about: str
    table: str
    key: Mapping[str, str]
    over: str
    gone: Sequence[str]
    owner: Sequence[str]
    held: str
    shortest: int = 1
    """Days. What is younger is still needed."""

    async def page(
        self, tx: AsyncConnection, workspace: str, before: datetime, after: str | None, size: int
    ) -> Piece:
        """Look at the next rows that are over their time, and let those go that are not held.

        They are locked: an answer that is revised meanwhile is over its time no more. What others
        have in hand is looked at the next time.
        """
        given = dict(zip(self.key, json.loads(after or "[]"), strict=False))
        asked = {"workspace": workspace, "before": before, "limit": size, **given}
        rows = (await tx.execute(text(self._page(after)), asked)).fetchall()
        width = len(self.key)
        free = [dict(zip(self.key, row[:width], strict=True)) for row in rows if not row[width]]
        removed = await self._let_go(tx, workspace, free)
        last = json.dumps(list(rows[-1][:width])) if len(rows) == size else None
        return Piece(removed, last)

    async def count(self, tx: AsyncConnection, workspace: str, before: datetime) -> int:
        """How many rows are over their time, held ones among them, up to COUNTED."""
        asked = {"workspace": workspace, "before": before, "limit": COUNTED}
        counting = f"SELECT count(*) FROM (SELECT FROM {self._over()} LIMIT :limit) AS found"
        return int((await tx.execute(text(counting), asked)).scalar_one())

    def _over(self) -> str:
        return f"{self.table} t WHERE t.workspace = :workspace AND ({self.over})"

    def _page(self, after: str | None) -> str:
        behind = ""
        if after is not None:
            columns = ", ".join(f"t.{one}" for one in self.key)
            behind = f" AND ({columns}) > ({', '.join(typed(self.key))})"
        order = ", ".join(f"t.{one}" for one in self.key)
        keys = [f"CAST(page.{one} AS text) AS {one}" for one in self.key]
        columns = ", ".join(f"t.{one}" for one in dict.fromkeys((*self.key, *self.owner)))
        return (
            f"WITH page AS (SELECT {columns} FROM {self._over()}{behind} "
            f"ORDER BY {order} LIMIT :limit FOR UPDATE OF t SKIP LOCKED) "
            f"SELECT {', '.join(keys)}, ({self.held}) AS held "
            f"FROM page ORDER BY {', '.join(f'page.{one}' for one in self.key)}"
        )

    async def _let_go(
        self, tx: AsyncConnection, workspace: str, rows: Sequence[Mapping[str, Any]]
    ) -> int:
        if not rows:
            return 0
        arrays = {one: [row[one] for row in rows] for one in self.key}
        parts = ", ".join(
            f"CAST(CAST(:{one} AS text[]) AS {type_}[])" for one, type_ in self.key.items()
        )
        chosen = f"({', '.join(self.key)}) IN (SELECT * FROM unnest({parts}))"
        counts = []
        for statement in self.gone:
            done = await tx.execute(
                text(f"{statement} WHERE workspace = :workspace AND {chosen}"),
                {"workspace": workspace, **arrays},
            )
            counts.append(done.rowcount)
        return int(counts[0])
