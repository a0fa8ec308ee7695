"""Cases of a person as they are now: of each the step that came last.

Feedback tells the steps of a case as events, each with the case's id and all that there is to say
of it then. What came last is told by the number of the step, since clocks differ; steps that have
none are older than those that have one, and among themselves go by time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rapport_segment.domain import values
from rapport_segment.domain.event_subjects import CLOSED_BY, SINCE, Cased, events_of
from rapport_segment.domain.happenings import Happening, Place, happened
from rapport_segment.domain.outlook import YES, Judge, Outlook, View, every, of_all
from rapport_segment.domain.sections import Facts, of_traits
from rapport_segment.domain.tree import Leaf

JudgeOf = Callable[[Leaf], Judge]
"""Makes a comparison with a trait into a function of where traits stand."""


@dataclass(frozen=True)
class Step:
    """One step of a case, and whether the case is open by it."""

    happening: Happening
    is_open: bool

    @property
    def order(self) -> tuple[int | Decimal, Place]:
        """A sort key: the latest last."""
        step = self.happening.facts.traits.get("step")
        known = step if type(step) is int or type(step) is Decimal else 0
        return known, self.happening.place

    @property
    def facts(self) -> Facts:
        """What it says, with its instant."""
        told = self.happening.facts.traits
        return of_traits({**told, SINCE: values.instant(self.happening.at)})


def judge_of_cases(subject: Cased, judge_of: JudgeOf) -> Judge:
    """A comparison with cases as a function."""
    look = _one_of_them(subject, judge_of)

    def judge(view: View) -> Outlook:
        steps = list(_steps(subject, view))
        lasts = _as_they_are(subject, steps, view).values()
        verdict, until = of_all([look(View(one.facts, view.now)) for one in lasts], by=True)
        # By another clock a step may be yet to come.
        ahead = [one.happening.at for one in steps if one.happening.at > view.now]
        return verdict, min([*ahead, *([] if until is None else [until])], default=None)

    return judge


def deciding(subject: Cased, view: View, judge_of: JudgeOf) -> list[Happening]:
    """The last steps of the cases that are so now, the oldest first."""
    look = _one_of_them(subject, judge_of)
    lasts = _as_they_are(subject, _steps(subject, view), view).values()
    found = [one.happening for one in lasts if look(View(one.facts, view.now))[0]]
    return sorted(found, key=lambda one: one.place)


def _one_of_them(subject: Cased, judge_of: JudgeOf) -> Judge:
    tests = [judge_of(one) for one in subject.where]
    return every(tests) if tests else lambda _view: YES


def _steps(subject: Cased, view: View) -> Iterable[Step]:
    for events in events_of(subject):
        for one in happened(view.facts, events.name):
            yield Step(one, events.name != CLOSED_BY)


def _as_they_are(subject: Cased, steps: Iterable[Step], view: View) -> Mapping[str, Step]:
    """By the ids of the cases that are open, or closed, as it is asked: their last steps."""
    lasts: dict[str, Step] = {}
    for one in steps:
        case_id: Any = one.happening.facts.traits.get("case_id")
        if one.happening.at > view.now or type(case_id) is not str:
            continue
        known = lasts.get(case_id)
        if known is None or known.order < one.order:
            lasts[case_id] = one
    return {key: one for key, one in lasts.items() if subject.fits(is_open=one.is_open)}
