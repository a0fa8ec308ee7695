"""What a service tells of somebody: one part after the other, page by page."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common.events.envelope import EMAIL
from rapport_common.events.kinds import PHONE
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import parameters

PAGE = 500
LONG_PAGE = 50
"""Of rows that may be long: a page is held in memory."""
COVERED = "[somebody else's]"

Told = Mapping[str, Any]
"""A row as it is told: JSON values by name; `msgspec.Raw` is told as it stands."""

_ADDRESS = re.compile(
    # A word that no domain follows is passed over whole: or a long one takes its square.
    r"""[^\s,;:&=?|<>"'()\[\]{}\\@]++(@[^\s,;:&=?|<>"'()\[\]{}\\@]+\.[^\W\d_]{2,})?"""
)
_NUMBER = re.compile(r"(?<![\w.])(?:\+|00)\d[\d ()/-]{5,18}\d(?!\w|\.\d)")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a page came to: rows, and where the next page begins; None when the part is done."""

    rows: Sequence[Told]
    after: str | None = None


class Part(ABC):
    """What one table holds of somebody, or several that belong together.

    A page is one transaction with the note of how far it is, and with the record that tells it.
    """

    section: str
    """Its name in the file: service and table."""
    about: str
    """What it is, for whom it is told."""

    @abstractmethod
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None, /) -> Taken:
        """Read the next page behind `after` (None: from the start)."""


Choose = Callable[[Told, Subject], Iterable[Told]]
"""Of a row that was read what is told of it: itself, pieces of it, or nothing."""


@dataclass(frozen=True)
class Rows(Part):
    """Rows of a table in the order of `key` (columns of `t`, with their types in Postgres).

    `columns` are names with what is told under them, in SQL; of those in `texts` JSON stands in the
    column. `where`: which rows there is any question of, by the `names` of parameters. `choose`
    looks at each row; where it is None, all that are found are told.
    """

    section: str
    about: str
    source: str
    key: Mapping[str, str]
    columns: Mapping[str, str]
    where: str
    names: frozenset[str] = frozenset({"workspace", "profiles"})
    documents: frozenset[str] = frozenset()
    choose: Choose | None = None
    size: int = PAGE

    @override
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None) -> Taken:
        """Read the next rows, and choose."""
        given = {name: one for name, one in parameters(who).items() if name in self.names}
        given |= {f"key{place}": one for place, one in enumerate(json.loads(after or "[]"))}
        found = await tx.execute(text(self._statement(after)), {**given, "limit": self.size})
        rows = found.fetchall()
        width, told = len(self.key), list[Told]()
        for row in rows:
            one = dict(zip(self.columns, row[width:], strict=True))
            one |= {name: _document(one[name]) for name in self.documents}
            told += [one] if self.choose is None else self.choose(one, who)
        last = json.dumps(list(rows[-1][:width])) if len(rows) == self.size else None
        return Taken(told, last)

    def _statement(self, after: str | None) -> str:
        keys, behind = ", ".join(f"t.{one}" for one in self.key), ""
        if after is not None:
            values = [
                f"CAST(CAST(:key{place} AS text) AS {type_})"
                for place, type_ in enumerate(self.key.values())
            ]
            behind = f" AND ({keys}) > ({', '.join(values)})"
        selected = [f"CAST(t.{one} AS text)" for one in self.key]
        selected += [f'{value} AS "told {name}"' for name, value in self.columns.items()]
        return (
            f"SELECT {', '.join(selected)} FROM {self.source} WHERE {self.where}{behind} "
            f"ORDER BY {keys} LIMIT :limit"
        )


def _document(text_: str | None) -> msgspec.Raw | None:
    if text_ is None:
        return None
    # A line of the file is one row: outside of strings line ends have no meaning, in them are none.
    return msgspec.Raw(text_.replace("\r", " ").replace("\n", " ").encode())


def plain(*columns: str) -> dict[str, str]:
    """Columns of `t` that are told under their own names."""
    return {one: f"t.{one}" for one in columns}


def speaking(recogniser: Recogniser, *names: str) -> Choose:
    """Rows in which one of these texts speaks of the person; what is others' in them is covered."""

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        if recogniser.speaks_of(who, *(row[name] for name in names)):
            yield {**row, **{name: covered(recogniser, who, row[name]) for name in names}}

    return choose


def covering(recogniser: Recogniser, *names: str) -> Choose:
    """All rows; what is others' in these texts is covered."""

    def choose(row: Told, who: Subject) -> Iterable[Told]:
        yield {**row, **{name: covered(recogniser, who, row[name]) for name in names}}

    return choose


def covered(recogniser: Recogniser, who: Subject, given: str | bytes | None) -> str | None:
    """A text in which no address and no number stands that is not the person's."""
    if given is None:
        return None
    said = given if isinstance(given, str) else bytes(given).decode("utf-8", "replace")

    def shown(kind: str, given: str) -> str:
        return given if recogniser.is_named(who, kind, given) else COVERED

    said = _ADDRESS.sub(lambda found: shown(EMAIL, found[0]) if found[1] else found[0], said)
    return _NUMBER.sub(lambda found: shown(PHONE, found[0]), said)
