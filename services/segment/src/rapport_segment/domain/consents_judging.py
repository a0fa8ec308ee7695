"""Consents in Python: what words on them come to now, and until when."""

from collections.abc import Callable
from datetime import datetime

from rapport_segment.domain import values
from rapport_segment.domain.outlook import NO, Judge, Outlook, View, of_all
from rapport_segment.domain.permissions import EXPIRED
from rapport_segment.domain.subjects import Reachable
from rapport_segment.domain.tree import Leaf


def judge_of_consent(leaf: Leaf) -> Judge:
    """A comparison of the state of words as a function."""
    read = leaf.read
    wanted = {leaf.value} if leaf.op != "in" else set(leaf.value)  # type: ignore[arg-type] # of "in" a tuple
    differs = leaf.op == "ne"

    def judge(view: View) -> Outlook:
        words = read(view.facts)
        if words is None:
            return NO
        verdict, until = of_all(
            [_state(word, view.now, lambda state: state in wanted) for word in words], by=True
        )
        return (not verdict, until) if differs else (verdict, until)

    return judge


def judge_of_reachable(subject: Reachable) -> Judge:
    """Whether there is a yes that holds as a function."""

    def judge(view: View) -> Outlook:
        yeses = subject.read(view.facts)
        return of_all([_state(word, view.now, EXPIRED.__ne__) for word in yeses], by=True)

    return judge


def _state(word: dict[str, str], now: datetime, fits: Callable[[str], bool]) -> Outlook:
    """Whether a word of a consent fits: a yes may have an end, from which on it has expired."""
    until = values.moment(word.get("until"))
    if until is None:
        return fits(word["state"]), None
    if now >= until:
        return fits(EXPIRED), None
    verdict = fits(word["state"])
    return verdict, until if fits(EXPIRED) is not verdict else None
