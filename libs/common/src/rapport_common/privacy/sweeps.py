"""One table after the other is rid of what it holds of somebody, page by page."""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common.privacy.subject import Recogniser, Subject

PAGE = 500
BEFORE = "CAST(:at AS timestamptz) + interval '5 seconds'"
"""What is older was there before the wish, also by another machine's clock. What is newer may be of
somebody who came back while a service was away."""

AND_AT = frozenset({"workspace", "at"})
"""What a statement with `BEFORE` asks for."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page came to.

    `removed`: rows that were removed or blanked. `after`: where the next page begins; None when
    the table is done. `waits`: something else has to go its way first, the same page again later.
    """

    removed: int = 0
    after: str | None = None
    waits: bool = False


class Sweep(ABC):
    """What one table holds of somebody is removed, or blanked where others rest on the row.

    A page is one transaction with the note of how far it is: after a kill the next one goes on
    there, and counts nothing twice.
    """

    table: str
    """The table's name, as the receipt has it."""

    @abstractmethod
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None, /) -> Page:
        """Work off the next page behind `after` (None: from the start)."""

    async def count(self, _tx: AsyncConnection, _who: Subject, /) -> int | None:
        """How many rows it would be; None where only looking through them all would tell."""
        return None


def parameters(who: Subject) -> dict[str, Any]:
    """What a statement may ask for: workspace, profiles, subjects, at."""
    return {
        "workspace": who.workspace,
        "profiles": sorted(who.profiles),
        "subjects": sorted(who.subjects),
        "at": who.at,
    }


@dataclass(frozen=True)
class Found(Sweep):
    """Rows that an index finds: a statement that changes at most `:limit` of them at a time.

    It is given the `parameters` it names, and leaves nothing that it would find again.
    """

    table: str
    statement: str
    counting: str | None = None
    names: frozenset[str] = frozenset({"workspace", "profiles"})

    @override
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None) -> Page:
        """Change some rows."""
        given = {**self._given(who), "limit": PAGE}
        number = (await tx.execute(text(self.statement), given)).rowcount
        return Page(number, (after or "more") if number else None)

    @override
    async def count(self, tx: AsyncConnection, who: Subject) -> int | None:
        """How many rows the index finds."""
        if self.counting is None:
            return None
        return int((await tx.execute(text(self.counting), self._given(who))).scalar_one())

    def _given(self, who: Subject) -> dict[str, Any]:
        return {name: one for name, one in parameters(who).items() if name in self.names}


@dataclass(frozen=True)
class Waits(Sweep):
    """Nothing is removed: something else has to go its way first, as long as `question` says so."""

    table: str
    question: Callable[[AsyncConnection, Subject], Awaitable[bool]]

    @override
    async def page(self, tx: AsyncConnection, who: Subject, _after: str | None) -> Page:
        """Ask again."""
        return Page(waits=await self.question(tx, who))


Judge = Callable[[Sequence[Any], Subject, Recogniser], bool]
Change = Callable[[AsyncConnection, Subject, Sequence[Row[Any]]], Awaitable[None]]


def _speaks(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
    return known.speaks_of(who, *row)


@dataclass(frozen=True)
class Read(Sweep):
    """Rows that have to be read: those of the workspace, in the order of `key`.

    `key`: columns that tell them apart, with their types in Postgres; `columns`: what is read
    besides, in SQL; `speaks`: whether these are about the person; `change` gets the rows that are,
    their keys first, as texts. `where`: of which rows there is any question.
    """

    table: str
    key: Mapping[str, str]
    columns: Sequence[str]
    recogniser: Recogniser
    change: Change
    speaks: Judge = _speaks
    where: str = "workspace = :workspace"
    names: frozenset[str] = frozenset({"workspace"})
    size: int = PAGE

    @override
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None) -> Page:
        """Read the next rows, and change those that speak of the person."""
        size = len(self.key)
        given = {name: one for name, one in parameters(who).items() if name in self.names}
        given |= dict(zip(self.key, json.loads(after or "[]"), strict=False))
        found = await tx.execute(text(self._statement(after)), {**given, "limit": self.size})
        rows = found.fetchall()
        about = [row for row in rows if self.speaks(row[size:], who, self.recogniser)]
        if about:
            await self.change(tx, who, about)
        last = json.dumps(list(rows[-1][:size])) if len(rows) == self.size else None
        return Page(len(about), last)

    def _statement(self, after: str | None) -> str:
        keys, behind = ", ".join(self.key), ""
        if after is not None:
            behind = f" AND ({keys}) > ({', '.join(typed(self.key))})"
        selected = [*(f"CAST({one} AS text) AS {one}" for one in self.key), *self.columns]
        order = [f"{self.table}.{one}" for one in self.key]
        return (
            f"SELECT {', '.join(selected)} FROM {self.table} WHERE {self.where}{behind} "
            f"ORDER BY {', '.join(order)} LIMIT :limit"
        )


def typed(key: Mapping[str, str]) -> list[str]:
    """Parameters that are texts, as what the columns of a key hold."""
    return [f"CAST(CAST(:{one} AS text) AS {type_})" for one, type_ in key.items()]


def changing(statement: str, key: Mapping[str, str], *, scoped: bool = True) -> Change:
    """The change that carries out `statement` (up to its WHERE) on the rows of a `key`."""
    conditions = [f"{one} = {value}" for one, value in zip(key, typed(key), strict=True)]
    if scoped:
        conditions.insert(0, "workspace = :workspace")
    prepared = text(f"{statement} WHERE {' AND '.join(conditions)}")

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        scope = {"workspace": who.workspace} if scoped else {}
        named = [dict(zip(key, row[: len(key)], strict=True)) for row in rows]
        await tx.execute(prepared, [{**scope, **one} for one in named])

    return change
