"""Verdicts with the time for which they hold by themselves, and how they are joined."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from rapport_segment.domain.sections import Facts
from rapport_segment.domain.windows import NEVER, Span

Outlook = tuple[bool, datetime | None]
"""A verdict, and the first instant at which it may be another one while the facts stay the same.

It is never later than the true change; None: it never changes.
"""

YES: Outlook = (True, None)
NO: Outlook = (False, None)


class View:
    """A person's facts as they are looked at now; what equal comparisons came to is remembered."""

    __slots__ = ("facts", "members", "memo", "now")

    def __init__(self, facts: Facts, now: datetime, members: Collection[UUID] = ()) -> None:
        """`members` are the segments that they are in."""
        self.facts = facts
        self.now = now
        self.members = members
        self.memo: dict[Callable[..., Any], Outlook] = {}

    def moved(self, segment_id: UUID, *, enters: bool) -> None:
        """While they are looked at, they enter a segment or leave it."""
        # What was given is the caller's; most people neither enter nor leave anything.
        mine = self.members if type(self.members) is set else set(self.members)
        (mine.add if enters else mine.discard)(segment_id)
        self.members = mine


Judge = Callable[[View], Outlook]


MOST_LOOKS = 200
"""So many instants at which a verdict may change are looked at to find one at which it does."""


def next_change(judge: Judge, view: View) -> datetime | None:
    """When a verdict is another one by itself, while the facts stay the same; None: never, or not
    within 200 instants at which it might be.
    """
    verdict, until = judge(view)
    for _ in range(MOST_LOOKS):
        if until is None:
            return None
        later, further = judge(View(view.facts, until, view.members))
        if later is not verdict:
            return until
        until = further
    return None


def in_span(span: Span, now: datetime) -> Outlook:
    """Whether now is in it, and when that changes."""
    first, behind = span
    if now < first:
        return False, first if first < behind else None
    if now < behind:
        return True, None if behind == NEVER else behind
    return NO


def every(parts: list[Judge]) -> Judge:
    """All hold."""
    return _joined(parts, by=False)


def some(parts: list[Judge]) -> Judge:
    """At least one holds."""
    return _joined(parts, by=True)


def _joined(parts: list[Judge], *, by: bool) -> Judge:
    """A part that is `by` settles it, for as long as it or another one that does stays so."""

    def look(view: View) -> Outlook:
        lasting: datetime | None = None
        soonest: datetime | None = None
        for part in parts:
            verdict, until = part(view)
            if verdict is by:
                if until is None:
                    return verdict, None
                if lasting is None or until > lasting:
                    lasting = until
            elif until is not None and (soonest is None or until < soonest):
                soonest = until
        return (not by, soonest) if lasting is None else (by, lasting)

    return look


def contrary(part: Judge) -> Judge:
    """It does not hold."""

    def look(view: View) -> Outlook:
        verdict, until = part(view)
        return not verdict, until

    return look


def of_all(outlooks: Iterable[Outlook], *, by: bool) -> Outlook:
    """One that is `by` settles it, else all together do."""
    given: list[Judge] = [_told(one) for one in outlooks]
    return _joined(given, by=by)(_NOTHING)


def _told(outlook: Outlook) -> Judge:
    return lambda _view: outlook


_NOTHING: Any = None
