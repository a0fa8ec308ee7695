"""Programmes, facts and requests for the tests of loyalty; and points counted one by one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from services.profile.tests.people import START, event

from rapport_common.events.envelope import Event
from rapport_profile.domain.loyalty.checking import declared
from rapport_profile.domain.loyalty.facts import Fact, content_of
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Programme, Version

DAY = 24 * 60
"""Minutes, as `event` counts."""
ANCHOR = "00000000-0000-0000-0000-000000000001"
PER_DOLLAR: dict[str, Any] = {"id": "spend", "per": {"USD": "1"}}


def programme(**parts: Any) -> Programme:
    """One point for each dollar, unless said otherwise."""
    return declared({"name": "Club", "rules": [PER_DOLLAR], **parts})


def since_ever(one: Programme) -> list[Version]:
    """It has always held."""
    return [Version(START - timedelta(days=10_000), one)]


def day(number: float) -> datetime:
    """So many days after the first event that there may be."""
    return START + timedelta(days=number)


def order(message_id: str, number: str | None = "1", /, **fields: Any) -> Event:
    """What is told of an order on a day (`on`): completed with a `total`, unless `name` says."""
    said = {key: fields.pop(key) for key in ("total", "products", "channel") if key in fields}
    on = fields.pop("on", 0)
    name = fields.pop("name", "Order Completed")
    ids = {} if number is None else {"order_id": number}
    fields.setdefault("user_id", "A")
    return event(message_id, name=name, at=on * DAY, said={**ids, **said}, **fields)


def refund(message_id: str, number: str = "1", /, **fields: Any) -> Event:
    """A refund of an order."""
    return order(message_id, number, name="Order Refunded", **fields)


def cancelled(message_id: str, number: str = "1", /, **fields: Any) -> Event:
    """The end of an order."""
    return order(message_id, number, name="Order Cancelled", **fields)


def facts(*events: Event, names: Sequence[str] = (), anchor: str = ANCHOR) -> list[Fact]:
    """What loyalty keeps of events."""
    found = [content_of(one, names) for one in events]
    return [Fact(anchor, one) for one in found if one is not None]


def redeem(id_: str, points: int, on: float, **more: Any) -> Operation:
    """Points spent on a day, at once."""
    fields = {"anchor": ANCHOR, "kind": "redeem", "at": day(on), "confirmed_at": day(on), **more}
    return Operation(id=id_, points=points, **fields)


class Counted(NamedTuple):
    """What the points are, counted one by one."""

    free: int
    owed: int
    expired: int
    held: dict[str, int]


class Singly:
    """Every point for itself: (order, day on which it ends, what it is, or who has spent it)."""

    def __init__(self, spenders: Sequence[str]) -> None:
        self.points: list[dict[str, Any]] = []
        self.owed: list[str] = []
        self._rank = {"free": 0, "expired": 1}
        # Of those who have spent it the last one gives back first.
        self._rank |= {one: 2 + place for place, one in enumerate(sorted(spenders, reverse=True))}

    def expire(self, today: int) -> None:
        for one in self.points:
            if one["state"] == "free" and one["ends"] <= today:
                one["state"] = "expired"

    def spend(self, spender: str) -> None:
        free = [one for one in self.points if one["state"] == "free"]
        if free:
            min(free, key=lambda one: (one["ends"], one["order"]))["state"] = spender
        else:
            self.owed.append(spender)

    def bring(self, number: str, wanted: int, ends: int, today: int) -> None:
        """Let an order have given so many points."""
        mine = [one for one in self.points if one["order"] == number]
        for _ in range(wanted - len(mine)):
            state = "free"
            if ends <= today:
                state = "expired"
            elif self.owed:
                state = min(self.owed)
                self.owed.remove(state)
            self.points.append({"order": number, "ends": ends, "state": state})
        mine.sort(key=lambda one: self._rank[one["state"]])
        for one in mine[: max(0, len(mine) - wanted)]:
            self.points.remove(one)
            if one["state"] not in {"free", "expired"}:
                self.spend(one["state"])


def one_by_one(
    events: Sequence[Event], operations: Sequence[Operation], days: int, now: int
) -> Counted:
    """Every point for itself, day by day: one for a dollar, gone after so many `days`.

    Events and requests are on whole days; on each, what ends is over before anything new happens,
    and requests follow what events tell.
    """
    ids = [one.id for one in operations]
    known = Singly(ids)
    ordered = sorted(events, key=lambda one: (one.timestamp, one.message_id))
    for today in range(now + 1):
        known.expire(today)
        for place, told in enumerate(ordered):
            if told.timestamp == day(today):
                number = str(_said(told)["order_id"])
                before = [
                    one for one in ordered[: place + 1] if str(_said(one)["order_id"]) == number
                ]
                wanted, began = _worth(before)
                known.bring(number, wanted, began + days, today)
        for asked in sorted(operations, key=lambda one: one.id):
            for _ in range(asked.points if asked.at == day(today) else 0):
                known.spend(asked.id)
    states = [one["state"] for one in known.points]
    held = {one: states.count(one) for one in ids if states.count(one)}
    return Counted(states.count("free"), len(known.owed), states.count("expired"), held)


def _worth(told: Sequence[Event]) -> tuple[int, int]:
    """What an order is worth in dollars by what was told of it, and the day it was completed."""
    ordered = sorted(told, key=lambda one: (one.timestamp, one.message_id))
    completed = [one for one in ordered if one.name == "Order Completed"]
    if not completed:
        return 0, 0
    began = (completed[0].timestamp - START).days
    ends = [one for one in ordered if one.name == "Order Cancelled"]
    if ends and ordered.index(ends[-1]) > ordered.index(completed[-1]):
        return 0, began
    price = [one for one in ordered if one.name in {"Order Completed", "Order Updated"}][-1]
    back: int = sum(_said(one)["total"] for one in ordered if one.name == "Order Refunded")
    return max(0, int(_said(price)["total"]) - back), began


def _said(one: Event) -> Any:
    return msgspec.json.decode(one.properties)
