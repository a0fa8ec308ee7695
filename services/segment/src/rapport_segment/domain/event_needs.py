"""Which events rules look at, and from which instant on."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never

from rapport_segment.domain.event_subjects import (
    Answer,
    Between,
    Cased,
    EventWindow,
    Nth,
    OfEvents,
    events_of,
    window_of,
)
from rapport_segment.domain.tree import Leaf, Rule, leaves
from rapport_segment.domain.windows import EVER, BesideNow, Calendar, Rolling

_UNEVEN = timedelta(days=4)
"""A month before and a month after are not each other's reverse: by less than that."""

_LONGEST = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
_PERIODS = {"day": 2, "week": 9, "month": 33, "quarter": 95, "year": 368}

Windows = Mapping[str, frozenset[EventWindow | None]]
"""By the name of events the windows in which they are looked at; None: at any time."""


def windows_of(some: Iterable[Leaf]) -> Windows:
    """What these comparisons look at."""
    found: dict[str, set[EventWindow | None]] = {}
    for leaf in some:
        if isinstance(leaf.subject, OfEvents):
            for events in events_of(leaf.subject):
                found.setdefault(events.name, set()).add(window_of(leaf.subject))
    return {name: frozenset(some) for name, some in found.items()}


def moves(leaf: Leaf) -> bool:
    """Whether a comparison with events may change while nothing happens."""
    if not isinstance(leaf.subject, OfEvents):
        return False
    if isinstance(leaf.subject, Cased):
        return any(one.is_timed for one in leaf.subject.where)
    is_open = isinstance(window_of(leaf.subject), Between | None)
    waits = any(one.absent for one in getattr(leaf.subject, "then", ()))
    return leaf.is_timed or waits or not is_open


def since(windows: Iterable[EventWindow | None], now: datetime) -> datetime:
    """No event before this instant counts in any of them at `now`, or later."""
    return min((_since(one, now) for one in windows), default=now)


def _since(window: EventWindow | None, now: datetime) -> datetime:
    match window:
        case None:
            return EVER
        case Between():
            return window.after or EVER
        case Rolling():
            before = window.length.before(now)
            return before - _UNEVEN if before - EVER > _UNEVEN else EVER
        case Calendar():
            return now - timedelta(days=_PERIODS[window.period])
        case _:
            assert_never(window)


def beyond(rule: Rule, kept: timedelta, now: datetime) -> list[tuple[str, str]]:
    """(path, in words) of the comparisons that ask for events that are not kept so long."""
    days = kept.days
    return [
        (leaf.path or "rule", f"looks back further than the {days} days for which events are kept")
        for leaf in leaves(rule)
        if isinstance(leaf.subject, OfEvents) and _looks_back_to(leaf, now) < now - kept
    ]


def _looks_back_to(leaf: Leaf, now: datetime) -> datetime:
    """The instant to which a comparison says that it looks back; now, where it names none."""
    subject: Any = leaf.subject
    meant: Leaf = subject.meant if isinstance(subject, Answer) else leaf
    subject, found = meant.subject, [now]
    for window in (window_of(subject), meant.value):
        match window:
            case Between() if window.after is not None:
                found.append(window.after)
            case Rolling():
                found.append(window.length.before(now))
            case BesideNow() if window.sign < 0:
                found.append(window.distance.before(now))
            case Calendar():
                found.append(now - timedelta(days=_LONGEST[window.period]))
            case _:
                pass
    if isinstance(subject, Nth) and isinstance(meant.value, str):
        found.append(datetime.fromisoformat(meant.value))
    return min(found)
