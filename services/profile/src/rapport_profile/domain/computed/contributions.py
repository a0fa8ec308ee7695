"""What one event adds to the traits that its name is in: a state for each of them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from rapport_common.events.envelope import Event
from rapport_common.events.money import normal_currency
from rapport_common.zones import zone_of
from rapport_profile.domain.computed import days
from rapport_profile.domain.computed.definition import Definition, Selector, Value, takes_value
from rapport_profile.domain.computed.reading import (
    holds,
    number_of,
    text_of,
    time_of,
    values_at,
)
from rapport_profile.domain.computed.states import (
    STREAK_SPAN,
    Back,
    Mark,
    State,
    Tally,
    Way,
    rank_of,
)
from rapport_profile.domain.orders import order_id_of
from rapport_profile.domain.stamps import Stamp, believed_time, stamp_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ONE = Decimal(1)
_PLAIN: Final = ""
"""The key of what has no currency."""


def contribution(one: Definition, event: Event, said: dict[str, Any]) -> State | None:
    """What an event, with its properties `said`, adds to a definition; None: nothing."""
    for selector in one.events:
        if selector.event == event.name and all(holds(said, some) for some in selector.where):
            return _Reading(one, selector, event, said).state()
    return None


def bucket_of(one: Definition, at: datetime) -> int:
    """The bucket of an instant."""
    if one.aggregate == "median_gap":
        return (at - _EPOCH) // _MICROSECOND
    if one.aggregate == "streak":
        return days.number_of(at, one.unit, one.zone)
    if one.window is None:
        # Of favourites the newest are kept when there are too many.
        return days.number_of(at, "month", one.zone) if one.aggregate == "most_frequent" else 0
    return days.number_of(at, one.window.this or "day", one.zone)


def span_of(one: Definition) -> int:
    """How many buckets, up to the newest, can still be shown; 0: all."""
    if one.aggregate == "streak":
        return STREAK_SPAN
    if one.window is None:
        return 0
    return one.window.days or 1


def moment_text(at: datetime) -> str:
    """An instant as text of fixed width, so that the order of texts is that of times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class _Reading:
    """One event as one selector reads it."""

    def __init__(
        self, one: Definition, selector: Selector, event: Event, said: dict[str, Any]
    ) -> None:
        self._one = one
        self._selector = selector
        self._event = event
        self._said = said
        self._at = believed_time(event)

    def state(self) -> State | None:
        """What it adds; None: what is aggregated is not there, or can't be read."""
        way = self._one.aggregate
        if way in {"distinct", "list"}:
            seen = dict.fromkeys(self._texts(), self._at)
            return State("seen", seen=seen) if seen else None
        if way in {"min", "max", "first", "last"}:
            return self._marks()
        cells = self._cells()
        if not cells:
            return None
        bucket, span = bucket_of(self._one, self._at), span_of(self._one)
        order = order_id_of(self._said) if self._one.goes_by_orders else None
        if order is not None and self._selector.dated == "order":
            back = tuple(
                Back(bucket, order, key, cell.number, cell.amount) for key, cell in cells.items()
            )
            return State("sum", span=span, back=back)
        added: Way = "gaps" if way == "median_gap" else "sum"
        orders = {} if order is None else {order: bucket}
        return State(added, tallies={bucket: cells}, span=span, orders=orders)

    def _cells(self) -> dict[str, Tally]:
        way = self._one.aggregate
        if way == "most_frequent":
            return _counted(self._texts())
        if way in {"sum", "average"}:
            return self._amounts()
        amount = _ONE
        if way == "share":
            amount = Decimal(int(self._selector.part))
        return {_PLAIN: Tally(1, -amount if self._selector.minus else amount)}

    def _amounts(self) -> dict[str, Tally]:
        numbers, key = self._numbers(), self._key()
        if not numbers or key is None:
            return {}
        total = sum(numbers, Decimal(0))
        return {key: Tally(len(numbers), -total if self._selector.minus else total)}

    def _marks(self) -> State | None:
        key, values = self._key(), self._written()
        if not values or key is None:
            return None
        way = self._one.aggregate
        if way in {"min", "max"}:
            mark = Mark((min if way == "min" else max)(values, key=rank_of))
        else:
            mark = Mark(values[0] if way == "first" else values[-1], self._stamp())
        marks = {bucket_of(self._one, self._at): {key: mark}}
        return State(way, marks=marks, span=span_of(self._one))  # type: ignore[arg-type] # one of the four

    def _written(self) -> list[str]:
        """The values as they are kept of marks."""
        if not takes_value(self._one):
            return [moment_text(self._at)]
        if self._one.kind == "text":
            return self._texts()
        if self._one.kind == "time":
            return [moment_text(at) for at in map(time_of, self._raw()) if at is not None]
        return [format(one, "f") for one in self._numbers()]

    def _stamp(self) -> Stamp:
        stamp = stamp_of(self._event)
        return Stamp(self._at, stamp.message_id, stamp.source, stamp.sequence)

    def _key(self) -> str | None:
        """The currency of money; None: it names none. All else has no key."""
        if self._one.kind != "money":
            return _PLAIN
        named = self._said.get("currency")
        if named is None or (isinstance(named, str) and not named.strip()):
            return normal_currency(self._event.currency)
        return normal_currency(named)

    def _value(self) -> Value | None:
        return self._selector.value or self._one.value

    def _raw(self) -> list[Any]:
        value = self._value()
        if value is None:
            return []
        if value.property is not None:
            return values_at(self._said, value.property)
        if value.text is not None:
            return [value.text]
        local = self._at.astimezone(zone_of(self._one.zone))
        return [local.strftime("%A").lower() if value.time == "weekday" else f"{local.hour:02}"]

    def _numbers(self) -> list[Decimal]:
        return [one for one in map(number_of, self._raw()) if one is not None]

    def _texts(self) -> list[str]:
        if self._one.kind == "number":
            return [_plain(one) for one in self._numbers()]
        return [one for one in map(text_of, self._raw()) if one is not None]


def _counted(texts: Iterable[str]) -> dict[str, Tally]:
    cells: dict[str, Tally] = {}
    for one in texts:
        number = cells[one].number + 1 if one in cells else 1
        cells[one] = Tally(number, Decimal(number))
    return cells


def _plain(number: Decimal) -> str:
    """A number in one form, however many digits it was written with."""
    return format(number.normalize(), "f") if number else "0"
