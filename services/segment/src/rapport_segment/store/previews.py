"""The SQL of previews: everything that is counted is counted in one look at everybody."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_segment.domain.funnel import SHOWN, TYPES, Counted, Tallied, parts, traits_of
from rapport_segment.domain.subjects import Reachable, Trait
from rapport_segment.domain.tree import And, Leaf, Rule
from rapport_segment.store.condition import JUDGED, Condition
from rapport_segment.store.definitions import EVERYBODY
from rapport_segment.store.limits import Limit
from rapport_segment.store.matching import Matched, matched

PROMOTION = "promotion"
NEAR = 20_000
"""So many people are looked at first for examples."""


class _Split(Condition):
    """A rule whose comparisons are columns of a row `p`, worked out once for each person."""

    def __init__(self, rule: Rule, now: datetime, found: Matched) -> None:
        self.columns: dict[str, str] = {}
        super().__init__(rule, now, found)

    @override
    def _leaf(self, leaf: Leaf) -> str:
        return self.column(super()._leaf(leaf))

    def column(self, expression: str) -> str:
        """The column that has it."""
        return "p." + self.columns.setdefault(expression, f"c{len(self.columns)}")

    def of(self, rule: Rule) -> str:
        """A part of the rule."""
        return self._of(rule)

    def reachable(self, channel: str) -> str:
        """Whether a promotion would reach them."""
        # Most people have few channels: that is asked first, and costs a tenth of the rest.
        known = f"COALESCE(p.contact_points ? {self.text(channel)}, false)"
        return f"{known} AND {self._reachable(Reachable(channel, PROMOTION))}"


async def read_only(tx: AsyncConnection) -> None:
    """Let nothing be written any more in `tx`."""
    await tx.execute(text("SET LOCAL transaction_read_only = on"))


async def texts(tx: AsyncConnection, workspace: str, rule: Rule, limit: Limit) -> Matched:
    """What the patterns of a rule fit among everybody; TooManyTextsError if that are too many."""
    return await matched(tx, rule, EVERYBODY, {"workspace": workspace}, limit.renew)


async def tally(
    tx: AsyncConnection,
    workspace: str,
    rule: Rule,
    found: Matched,
    *,
    now: datetime,
    channels: Sequence[str],
    with_examples: bool = False,
) -> Tallied:
    """Count everybody whom a rule and its parts fit; `found`: what its patterns fit."""
    split = _Split(rule, now, found)
    asked = _Asked(split, rule, traits_of(rule), channels, with_examples=with_examples)
    columns = "".join(f", {expression} AS {name}" for expression, name in split.columns.items())
    led = "".join(f", {expression} AS {name}" for name, expression in asked.leads.items())
    rows = await tx.execute(
        text(
            f"SELECT {', '.join(asked.counts)} FROM (SELECT p.*{led} "
            f"FROM (SELECT p.*, {JUDGED} AS judged{columns} "
            f"FROM segment.person p WHERE {EVERYBODY} OFFSET 0) AS p OFFSET 0) AS p"
        ),
        {"workspace": workspace, **split.parameters},
    )
    return asked.read(list(rows.one()))


class _Asked:
    """What is counted, in the order in which it is read.

    `leads` are columns of the row, too: how many parts of an `and` hold from its first one on.
    """

    def __init__(
        self,
        split: _Split,
        rule: Rule,
        traits: Sequence[Trait],
        channels: Sequence[str],
        *,
        with_examples: bool,
    ) -> None:
        self._parts = list(parts(rule))
        self._channels = channels
        self._traits = traits
        fits = f"p.judged AND {split.of(rule)}"
        self.leads: dict[str, str] = {}
        self._before = self._leading(split)
        self.counts = ["count(*)", _count(fits)]
        self.counts += [_count(f"p.judged AND {split.of(one.rule)}") for one in self._parts]
        self.counts += [_count(f"p.judged AND {held}") for held in self._before.values()]
        self.counts += [_count(f"{fits} AND {split.reachable(one)}") for one in channels]
        for one in traits:
            kind = split.column(f"COALESCE(jsonb_typeof({split.read(one)}), 'null')")
            self.counts += [_count(f"{kind} = '{name}'") for name in _TYPE_NAMES]
        some = f"(array_agg(p.profile_id) FILTER (WHERE {fits}))[1:{SHOWN}]"
        self.counts.append(some if with_examples else "CAST(NULL AS uuid[])")

    def _leading(self, split: _Split) -> dict[str, str]:
        """Of the parts of each `and`: whether it and all that stand before it there hold.

        Each is said once, however many there are.
        """
        held: dict[str, str] = {}
        for one in self._parts:
            if not isinstance(one.rule, And):
                continue
            children, name = one.rule.children, f"lead{len(self.leads)}"
            fails = " ".join(
                f"WHEN ({split.of(child)}) IS NOT TRUE THEN {index}"
                for index, child in enumerate(children)
            )
            self.leads[name] = f"CASE {fails} ELSE {len(children)} END"
            word = f"{one.path}.and" if one.path else "and"
            for index in range(len(children)):
                held[f"{word}[{index}]"] = f"p.{name} > {index}"
        return held

    def read(self, row: list[Any]) -> Tallied:
        """What the one row says."""
        numbers = iter(row)
        everybody, fitting = next(numbers), next(numbers)
        each = [next(numbers) for _ in self._parts]
        left = {path: next(numbers) for path in self._before}
        funnel = [
            Counted(one, count, left.get(one.path))
            for one, count in zip(self._parts, each, strict=True)
        ]
        reach = {channel: next(numbers) for channel in self._channels}
        types = {one: dict(zip(TYPES, numbers, strict=False)) for one in self._traits}
        return Tallied(fitting, everybody, funnel, reach, types, next(numbers) or [])


_TYPE_NAMES = ("string", "number", "boolean", "array", "object", "null")
"""The words of Postgres for `TYPES`."""


def _count(condition: str) -> str:
    return f"count(*) FILTER (WHERE {condition})"


async def examples(
    tx: AsyncConnection, workspace: str, rule: Rule, found: Matched, *, now: datetime
) -> list[UUID]:
    """Ten whom a rule fits among the first people that are found; fewer if it fits few."""
    condition = Condition(rule, now, found)
    rows = await tx.execute(
        text(
            "SELECT p.profile_id FROM (SELECT p.* FROM segment.person p "
            f"WHERE {EVERYBODY} LIMIT {NEAR}) AS p WHERE {condition.sql} AND {JUDGED} LIMIT {SHOWN}"
        ),
        {"workspace": workspace, **condition.parameters},
    )
    return list(rows.scalars())
