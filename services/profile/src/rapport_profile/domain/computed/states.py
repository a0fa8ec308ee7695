"""What is kept for a definition of the events of one identifier: a join or a sum, and bounded.

`joined` is commutative and associative, and a state of an event alone is the least there is, so
a person's state is that of their identifiers joined, in whatever order anything came.

Bounds keep that: what is left out is chosen by what never changes of it. Of buckets, which are
numbered by time, the newest stay, within the span that the window can still show, and of one bucket
the keys in their order. So what stays in the whole has stayed in each part, with all that was
ever added to it. Of values (`seen`) those that were seen last stay: a maximum, so the same holds.
Orders stay by their newest day, what waits for orders by its own, which does not change.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from rapport_profile.domain.stamps import EARLIEST, Stamp, later

MAX_CELLS: Final = 800
MAX_SEEN: Final = 200
MAX_ORDERS: Final = 800
MAX_BACK: Final = 400
MAX_GAPS: Final = 101
"""Moments of which the gaps are looked at: the newest."""
STREAK_SPAN: Final = 400

NO_STAMP: Final = Stamp(EARLIEST, "", "")

Way = Literal["sum", "gaps", "min", "max", "first", "last", "seen"]


class Tally(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How many, and what they add up to."""

    number: int
    amount: Decimal


class Mark(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A value that stands for all of its bucket, as text; of first and last, where it was said."""

    value: str
    stamp: Stamp = NO_STAMP


class Back(NamedTuple):
    """What counts on the day of an order: `bucket` is that of its own day.

    Several that are alike are several.
    """

    bucket: int
    order: str
    key: str
    number: int
    amount: Decimal


Cell = TypeVar("Cell", Tally, Mark)
Tallies = dict[int, dict[str, Tally]]
Marks = dict[int, dict[str, Mark]]


class State(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    rename={
        "way": "w",
        "tallies": "t",
        "marks": "m",
        "seen": "s",
        "span": "p",
        "lost": "l",
        "orders": "o",
        "back": "b",
    },
):
    """What some events amount to. `tallies` and `marks` are by bucket and key.

    `orders`: the bucket of each order, by its id, where something may count on its day; `back` is
    what does.
    `span`: so many buckets up to the newest are kept; 0 is any number. `lost`: the newest bucket of
    which something had to go because there was too much; `lost_seen` the same of `seen`.
    """

    way: Way
    tallies: Tallies = {}
    marks: Marks = {}
    seen: dict[str, datetime] = {}
    span: int = 0
    lost: int | None = None
    lost_seen: datetime | None = None
    orders: dict[str, int] = {}
    back: tuple[Back, ...] = ()


def joined(one: State, other: State) -> State:
    """What the events of two states amount to, which have none in common."""
    if one.way == "seen":
        return _seen(one, other)
    lost = max((some for some in (one.lost, other.lost) if some is not None), default=None)
    if one.way in {"sum", "gaps"}:
        most = MAX_GAPS if one.way == "gaps" else MAX_CELLS
        tallies, lost = trimmed(_added(one.tallies, other.tallies), one.span, most, lost)
        state = State(one.way, tallies=tallies, span=one.span, lost=lost)
        if one.orders or other.orders or one.back or other.back:
            return _with_orders(state, one, other)
        return state
    marks, lost = trimmed(_marked(one, other), one.span, MAX_CELLS, lost)
    return State(one.way, marks=marks, span=one.span, lost=lost)


def _with_orders(state: State, one: State, other: State) -> State:
    """The state with what both know of orders, and of what counts on their days."""
    orders = dict(one.orders)
    for order, bucket in other.orders.items():
        orders[order] = max(bucket, orders.get(order, bucket))
    newest = max(state.tallies, default=0)
    orders = {order: at for order, at in orders.items() if at > newest - state.span}
    lost = state.lost
    if len(orders) > MAX_ORDERS:
        ordered = sorted(orders, key=lambda order: (-orders[order], order))
        lost = max(orders[ordered[MAX_ORDERS]], lost or 0)
        orders = {order: orders[order] for order in ordered[:MAX_ORDERS]}
    back = sorted((*one.back, *other.back), key=_newest_first, reverse=True)
    if len(back) > MAX_BACK:
        lost = max(back[MAX_BACK].bucket, lost or 0)
    return msgspec.structs.replace(state, orders=orders, back=tuple(back[:MAX_BACK]), lost=lost)


def _newest_first(one: Back) -> tuple[Back, str]:
    # 5 and 5.0 are equal, and a sum of them is written in another way.
    return one, str(one.amount)


def joined_all(states: Iterable[State]) -> State | None:
    """What all of them amount to; None of none."""
    total: State | None = None
    for one in states:
        total = one if total is None else joined(total, one)
    return total


def joined_by_trait(some: Mapping[int, State], others: Mapping[int, State]) -> dict[int, State]:
    """The states of several traits, by these."""
    result = dict(some)
    for trait, one in others.items():
        known = result.get(trait)
        result[trait] = one if known is None else joined(known, one)
    return result


def _added(some: Tallies, others: Tallies) -> Tallies:
    result = dict(some)
    for bucket, cells in others.items():
        known = result.get(bucket)
        result[bucket] = cells if known is None else {**known, **_sums(known, cells)}
    return result


def with_orders(state: State) -> Tallies:
    """What there is of each bucket, with what counts on the day of an order that is known."""
    tallies = state.tallies
    for one in state.back:
        bucket = state.orders.get(one.order)
        if bucket is not None:
            tallies = _added(tallies, {bucket: {one.key: Tally(one.number, one.amount)}})
    return tallies


def _sums(known: Mapping[str, Tally], cells: Mapping[str, Tally]) -> dict[str, Tally]:
    sums = {}
    for key, one in cells.items():
        before = known.get(key)
        if before is not None:
            one = Tally(before.number + one.number, before.amount + one.amount)  # noqa: PLW2901
        sums[key] = one
    return sums


def _marked(one: State, other: State) -> Marks:
    result = dict(one.marks)
    for bucket, cells in other.marks.items():
        known = result.get(bucket, {})
        better = {
            key: mark
            for key, mark in cells.items()
            if key not in known or _is_better(one.way, mark, known[key])
        }
        result[bucket] = {**known, **better}
    return result


def _is_better(way: Way, mark: Mark, known: Mark) -> bool:
    if way == "last":
        return mark.stamp.after(known.stamp)
    if way == "first":
        return known.stamp.after(mark.stamp)
    mine, theirs = rank_of(mark.value), rank_of(known.value)
    return mine > theirs if way == "max" else mine < theirs


def rank_of(value: str) -> tuple[Decimal, str]:
    """By what the least and the greatest are found: numbers; times as ISO text have no number.

    Of equal numbers the digits decide, so that it is the same one in any order.
    """
    # A time is of fixed width in UTC, so the order of texts is that of times.
    return (Decimal(0), value) if "T" in value else (Decimal(value), value)


def trimmed(
    buckets: dict[int, dict[str, Cell]], span: int, most: int, lost: int | None
) -> tuple[dict[int, dict[str, Cell]], int | None]:
    """The buckets within the bounds, and the newest bucket of which something had to go."""
    newest = max(buckets, default=0)
    kept = buckets
    if span and len(buckets) > 1:
        kept = {one: cells for one, cells in buckets.items() if one > newest - span}
    if sum(map(len, kept.values())) > most:
        kept, gone = _newest(kept, most)
        lost = gone if lost is None else max(lost, gone)
    if lost is not None and span and lost <= newest - span:
        lost = None
    return kept, lost


def _newest(
    buckets: dict[int, dict[str, Cell]], most: int
) -> tuple[dict[int, dict[str, Cell]], int]:
    """So many cells of the newest buckets, those of one by their keys; where the first is gone.

    There are more than so many.
    """
    kept: dict[int, dict[str, Cell]] = {}
    left, ordered = most, iter(sorted(buckets, reverse=True))
    bucket = next(ordered)
    while len(buckets[bucket]) <= left:
        kept[bucket] = buckets[bucket]
        left -= len(buckets[bucket])
        bucket = next(ordered)
    if left:
        cells = buckets[bucket]
        kept[bucket] = {key: cells[key] for key in sorted(cells)[:left]}
    return kept, bucket


def _seen(one: State, other: State) -> State:
    seen = dict(one.seen)
    for value, at in other.seen.items():
        known = seen.get(value)
        seen[value] = at if known is None else max(known, at)
    lost = later(one.lost_seen, other.lost_seen)
    if len(seen) > MAX_SEEN:
        ordered = sorted(seen, key=lambda value: (seen[value], value), reverse=True)
        lost = later(lost, seen[ordered[MAX_SEEN]])
        seen = {value: seen[value] for value in ordered[:MAX_SEEN]}
    return State("seen", seen=seen, lost_seen=lost)
