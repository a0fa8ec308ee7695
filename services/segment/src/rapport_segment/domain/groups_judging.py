"""Groups in Python: whether one and the same has all that is asked, and until when."""

from collections.abc import Callable

from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.outlook import YES, Judge, Outlook, View, every, of_all
from rapport_segment.domain.sections import Facts
from rapport_segment.domain.tree import Leaf

JudgeOf = Callable[[Leaf], Judge]
"""Makes a comparison with a trait into a function of where traits stand."""


def judge_of_groups(subject: InGroup, judge_of: JudgeOf) -> Judge:
    """A comparison with groups as a function."""
    look = _one_of_them(subject, judge_of)

    def judge(view: View) -> Outlook:
        groups = subject.read(view.facts)
        return of_all([look(View(one, view.now)) for one in groups], by=True)

    return judge


def fitting(subject: InGroup, view: View, judge_of: JudgeOf) -> list[Facts]:
    """The groups that have all that is asked, now."""
    look = _one_of_them(subject, judge_of)
    return [one for one in subject.read(view.facts) if look(View(one, view.now))[0]]


def _one_of_them(subject: InGroup, judge_of: JudgeOf) -> Judge:
    tests = [judge_of(one) for one in subject.where]
    return every(tests) if tests else lambda _view: YES
