"""What a computed trait is: an aggregate over chosen events in a window, as data."""

from typing import Final, Literal

import msgspec

from rapport_common.events.trait import TraitType

Aggregate = Literal[
    "count",
    "sum",
    "average",
    "min",
    "max",
    "first",
    "last",
    "distinct",
    "list",
    "most_frequent",
    "streak",
    "share",
    "median_gap",
]
Kind = Literal["number", "money", "text", "time"]
Unit = Literal["day", "week", "month", "year"]
Op = Literal["eq", "ne", "in", "gt", "gte", "lt", "lte", "exists", "not_exists"]
Part = Literal["weekday", "hour"]
Dated = Literal["event", "order"]
Scalar = bool | int | float | str

MAX_DEFINITIONS: Final = 100
"""Of a workspace."""
MAX_DAYS: Final = 366
"""Of a rolling window."""
MAX_SELECTORS: Final = 20
MAX_CONDITIONS: Final = 10
MAX_VALUES: Final = 100
MAX_TEXT: Final = 200
"""Characters: a longer text says nothing."""


class Condition(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What has to hold of a property; of a list one element that fits is enough."""

    property: str
    op: Op
    value: Scalar | tuple[Scalar, ...] | None = None


class Value(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What of an event is aggregated: a property, a given text, or a part of its local time.

    One of the three is set. `property` is a path such as `total`, `address.city`, or
    `products[].category`, which has a value for each product.
    """

    property: str | None = None
    text: str | None = None
    time: Part | None = None


class Selector(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Events by name. An event is taken by the first selector of a definition that fits it.

    `value` takes the place of the definition's. `minus`: what it says is taken off (count, sum).
    `part`: it is among those whose share is asked for (share).

    `dated`: the day on which it counts (count, sum, in a window). Of `order` that is the day of the
    order with the same `order_id` which another selector takes, when that was told of last; it
    waits for that, and counts nowhere until then. What names no order has its own day.
    """

    event: str
    where: tuple[Condition, ...] = ()
    value: Value | None = None
    minus: bool = False
    part: bool = False
    dated: Dated = "event"


class Window(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which events count now; one of the two is set.

    `days`: those of the last so many days of the zone, today among them. `this`: those since the
    day, the week (from Monday), the month or the year began.
    """

    days: int | None = None
    this: Unit | None = None


class Definition(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A computed trait. Without `window` all events count; days are those of `zone` (IANA).

    `kind`: what values are read as. `unit`: of what a streak is one after the other.
    """

    aggregate: Aggregate
    events: tuple[Selector, ...]
    value: Value | None = None
    kind: Kind = "number"
    window: Window | None = None
    zone: str = "UTC"
    unit: Unit = "day"

    @property
    def goes_by_orders(self) -> bool:
        """Whether some events count on the day of their order."""
        return any(one.dated == "order" for one in self.events)


def is_same(one: Definition | None, other: Definition) -> bool:
    """Whether two say the same: `true` and `1`, which Python takes for equal, do not; nor does
    none, of one that has ended.
    """
    return one is not None and msgspec.json.encode(one) == msgspec.json.encode(other)


_NUMBERS = frozenset({"count", "distinct", "streak", "share", "median_gap"})


def type_of(one: Definition) -> TraitType:
    """What a definition's values are."""
    if one.aggregate in _NUMBERS:
        return "number"
    if one.aggregate == "list":
        return "list"
    if one.aggregate == "most_frequent":
        return "text"
    if one.aggregate in {"first", "last"} and not takes_value(one):
        return "time"
    return one.kind


def takes_value(one: Definition) -> bool:
    """Whether a value of events is aggregated, and not just that they happened."""
    return one.value is not None or any(some.value is not None for some in one.events)
