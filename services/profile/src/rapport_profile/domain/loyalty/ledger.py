"""The entries of a member's ledger: what is to be booked so that it says what is known now.

Entries are only added. What turns out otherwise, by a late event, a merge or a split, is booked
as a difference, under the same lot and kind. So the sums by lot and kind are those of the facts,
whatever came when.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from rapport_profile.domain.loyalty.account import Lot
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.standing import DEBT, Standing
from rapport_profile.domain.naming import Id

EntryKind = Literal["earned", "reversed", "expired", "redeemed", "adjusted"]


class Key(NamedTuple):
    """What an entry is about; `operation` is empty where no request has done it."""

    anchor: Id
    lot: str
    kind: EntryKind
    operation: str = ""


class Entry(NamedTuple):
    """Points that came (or, below nothing, went) at a time."""

    key: Key
    points: int
    at: datetime


def due(standing: Standing, booked: Mapping[Key, int], now: datetime) -> list[Entry]:
    """The entries by which what is `booked` becomes what is known, in order of time.

    What takes back what has been booked is dated now.
    """
    wanted: dict[Key, tuple[int, datetime]] = {}
    for key, points, at in _all(standing, now):
        known, first = wanted.get(key, (0, at))
        wanted[key] = (known + points, min(first, at))
    entries = []
    for key in sorted({*wanted, *booked}):
        points, at = wanted.get(key, (0, now))
        known = booked.get(key, 0)
        if points != known:
            entries.append(Entry(key, points - known, at if not known else now))
    return sorted(entries, key=lambda one: (one.at, one.key.lot, one.key))


def _all(standing: Standing, now: datetime) -> Iterator[tuple[Key, int, datetime]]:
    """All that is known, each as (key, points, time)."""
    operations = {one.id: one for one in standing.operations}
    for lot in standing.lots:
        yield from _of_lot(lot, now)
        for spender, points in lot.held.items():
            yield from _spent(operations[spender], lot.anchor, lot.key, points)
    for spender, points in standing.owed.items():
        one = operations[spender]
        yield from _spent(one, one.anchor, DEBT, points)


def _of_lot(lot: Lot, now: datetime) -> Iterator[tuple[Key, int, datetime]]:
    kind: EntryKind = "adjusted" if lot.is_adjusted else "earned"
    yield Key(lot.anchor, lot.key, kind), lot.earned, lot.at
    if lot.reversed:
        yield Key(lot.anchor, lot.key, "reversed"), -lot.reversed, now
    if lot.expired:
        yield Key(lot.anchor, lot.key, "expired"), -lot.expired, lot.expires_at or now


def _spent(
    one: Operation, anchor: Id, lot: str, points: int
) -> Iterator[tuple[Key, int, datetime]]:
    if one.kind == "adjust":
        yield Key(anchor, lot, "adjusted", one.id), -points, one.at
    elif one.confirmed_at is not None:
        yield Key(anchor, lot, "redeemed", one.id), -points, one.confirmed_at
