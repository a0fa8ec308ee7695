"""Instants beside now in SQL: the same spans as `domain.windows` and `domain.anniversaries` have.

Postgres asks no zone: which day it is in each, and when a period begins, is worked out before.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime

from rapport_segment.domain.anniversaries import days_by_year
from rapport_segment.domain.event_subjects import Between, EventWindow
from rapport_segment.domain.tree import Leaf
from rapport_segment.domain.values import MOMENT, instant
from rapport_segment.domain.windows import (
    Anniversary,
    BesideNow,
    Calendar,
    Duration,
    Rolling,
)
from rapport_segment.domain.zones import TIMEZONE, by_local_date, local_date

_COMPARE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Instants:
    """Tests of one `now`; `text` binds a text, and gives its expression."""

    def __init__(self, now: datetime, text: Callable[[str], str]) -> None:
        self._now = now.astimezone(UTC)
        self._bound = text

    def test(self, leaf: Leaf, x: str) -> str:
        """Whether a JSON value is an instant that is so; NULL or false when it is none."""
        written = f"({x} #>> '{{}}')"
        is_one = f"jsonb_typeof({x}) = 'string' AND {written} ~ {self._bound(f'^({MOMENT})$')}"
        found = self._compared(written, leaf)
        return f"(CASE WHEN {is_one} THEN {found} ELSE false END)"

    def _compared(self, written: str, leaf: Leaf) -> str:
        if isinstance(leaf.value, Anniversary):
            return self._anniversary(written, leaf.value)
        return self.compared(_at(written), leaf)

    def compared(self, at: str, leaf: Leaf) -> str:
        """An instant (`timestamp` in UTC) compared as the leaf says."""
        match window := leaf.value:
            case BesideNow():
                moved = _moved(at, window.distance, later=window.sign < 0)
                return f"{moved} {_COMPARE[leaf.op]} {self._instant(self._now)}"
            case Rolling():
                return self._rolling(at, window)
            case Calendar():
                first, behind = window.span(self._now)
                return f"({at} >= {self._instant(first)} AND {at} < {self._instant(behind)})"
            case str():
                return f"{at} {_COMPARE[leaf.op]} CAST({self._bound(window)} AS timestamp)"
            case _:
                raise AssertionError(window)

    def counts(self, at: str, window: EventWindow | None) -> str:
        """Whether an event of an instant counts now, which is not before it."""
        tests = [self.has_come(at)]
        match window:
            case Rolling():
                tests.append(
                    f"{_moved(at, window.length, later=True)} > {self._instant(self._now)}"
                )
            case Calendar():
                first, behind = window.span(self._now)
                tests += [f"{at} >= {self._instant(first)}", f"{at} < {self._instant(behind)}"]
            case Between():
                sides = ((">=", window.after), ("<", window.before))
                tests += [f"{at} {op} {self._instant(one)}" for op, one in sides if one is not None]
            case None:
                pass
        return " AND ".join(tests)

    def has_come(self, at: str) -> str:
        """Whether an instant is not ahead."""
        return f"{at} <= {self._instant(self._now)}"

    def _rolling(self, at: str, window: Rolling) -> str:
        now, is_past = self._instant(self._now), window.side == "last"
        moved = _moved(at, window.length, later=is_past)
        first, behind = (at, moved) if is_past else (moved, at)
        return f"({first} <= {now} AND {now} < {behind})"

    def _anniversary(self, written: str, kind: Anniversary) -> str:
        """By the day that it is where somebody lives; there are three of them at most."""
        zone = f"(p.traits ->> {self._bound(TIMEZONE)})"
        elsewhere = local_date(self._now, kind.zone)
        parts = []
        for today, names in sorted(by_local_date(self._now).items()):
            if today != elsewhere:
                listed = f"CAST({self._bound(json.dumps(names))} AS jsonb)"
                parts.append(f"WHEN {listed} ? {zone} THEN {self._on(written, kind, today)}")
        default = self._on(written, kind, elsewhere)
        if not parts:
            return default
        is_text = f"jsonb_typeof(p.traits -> {self._bound(TIMEZONE)}) = 'string'"
        return (
            f"(CASE WHEN NOT COALESCE({is_text}, false) THEN {default} "
            f"{' '.join(parts)} ELSE {default} END)"
        )

    def _on(self, written: str, kind: Anniversary, today: date) -> str:
        found = []
        for year, days in sorted(days_by_year(kind, today).items()):
            listed = ", ".join(map(self._bound, sorted(days)))
            found.append(
                f"(substr({written}, 6, 5) IN ({listed}) AND "
                f"CAST(substr({written}, 1, 4) AS int) < {year})"
            )
        return f"({' OR '.join(found)})"

    def _instant(self, moment: datetime) -> str:
        return f"CAST({self._bound(instant(moment) or '')} AS timestamp)"


def _at(written: str) -> str:
    # Without a zone, so that the session's says nothing: all are in UTC.
    return f"CAST({written} AS timestamp)"


def later(at: str, length: Duration) -> str:
    """So long after an instant."""
    return _moved(at, length, later=True)


def _moved(at: str, distance: Duration, *, later: bool) -> str:
    sign = "+" if later else "-"
    if distance.months:
        return f"({at} {sign} make_interval(months => {distance.months}))"
    return f"({at} {sign} make_interval(secs => {distance.seconds}))"
