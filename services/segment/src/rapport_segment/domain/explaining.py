"""The words that explain a verdict: each comparison with what was found, those that settle it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, assert_never

import msgspec

from rapport_segment.domain.evaluate import judge_of
from rapport_segment.domain.event_subjects import OfEvents
from rapport_segment.domain.events_evidence import evidence
from rapport_segment.domain.group_subjects import InGroup, keys_of
from rapport_segment.domain.groups_judging import fitting
from rapport_segment.domain.happenings import Happening
from rapport_segment.domain.outlook import View
from rapport_segment.domain.subjects import (
    Bucket,
    Consent,
    ContactPoint,
    Identifier,
    InList,
    InSegment,
    Reachable,
)
from rapport_segment.domain.tree import IS, And, Leaf, Not, Or, Rule

Decisive = Callable[[View], "tuple[bool, list[Verdict]]"]
"""What a rule comes to for somebody, with the comparisons that settle it."""

MAX_REASON = 500
MAX_SHOWN = 80
_SYMBOLS = {
    "eq": "=",
    "ne": "!=",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "in": "in",
    "contains": "contains",
    "starts_with": "starts with",
    "matches": "matches",
    "within": "within",
    "anniversary": "anniversary",
}
_shown = msgspec.json.Encoder(decimal_format="number")


class Verdict(msgspec.Struct, frozen=True):
    """One comparison of a rule, with what was found; of one with events, those that decide."""

    leaf: Leaf
    actual: Any
    result: bool
    until: datetime | None = None
    name: str | None = None
    events: tuple[Happening, ...] = ()

    @property
    def label(self) -> str:
        """What is compared; `name` is a list's."""
        return self.leaf.subject.label if self.name is None else f"list {_show(self.name)}"

    def words(self) -> str:
        """For example `revenue USD 512.30 >= 500`."""
        label, op = self.label, self.leaf.op
        if isinstance(self.leaf.subject, InList):
            kinds = sorted({one["kind"] for one in self.actual})
            return f"on {label} by {', '.join(kinds)}" if self.result else f"not on {label}"
        if isinstance(self.leaf.subject, InGroup):
            return _group_words(self.leaf.subject, self.actual)
        if op == IS:
            return label if self.result else f"not {label}"
        missing = self.actual is None
        if self.leaf.value is None:
            return f"{label} {'missing' if missing else 'exists'}"
        if self.leaf.of != "any":
            label = f"{self.leaf.of} of {label}"
        wanted = f"{_SYMBOLS[op]} {_wanted(self.leaf)}"
        if missing:
            return f"{label} missing, wanted {wanted}"
        # An address does not belong into a text that travels and is kept.
        hidden = isinstance(self.leaf.subject, Identifier | ContactPoint | Consent)
        found = label if hidden else f"{label} {_show(self.actual)}"
        return f"{found} {wanted}" if self.result else f"{found} not {wanted}"


def _group_words(subject: InGroup, keys: Sequence[Any]) -> str:
    """For example `in company "acme" with plan = "pro", seats > 100`."""
    asked = [_asked(one) for one in subject.where]
    found = f"in {subject.kind} {', '.join(map(_show, keys))}" if keys else f"in no {subject.kind}"
    return f"{found}{' with ' if asked else ''}{', '.join(asked)}"


def _asked(leaf: Leaf) -> str:
    """What is asked of a trait, whatever it is."""
    name = leaf.subject.label.removeprefix("trait ")
    if leaf.value is None:
        return f"{name} {'exists' if leaf.op == 'exists' else 'missing'}"
    of = "" if leaf.of == "any" else f"{leaf.of} of "
    return f"{of}{name} {_SYMBOLS[leaf.op]} {_wanted(leaf)}"


def _wanted(leaf: Leaf) -> str:
    return str(leaf.value) if leaf.is_timed else _show(leaf.value)


def explain(rule: Rule, view: View) -> list[Verdict]:
    """Every comparison of the rule, in its order, as it is now."""
    return _explained(rule, view)


def _explained(rule: Rule, view: View) -> list[Verdict]:
    match rule:
        case Leaf():
            return [_compared(rule)(view)[1][0]]
        case Not():
            return _explained(rule.child, view)
        case And() | Or():
            return [verdict for one in rule.children for verdict in _explained(one, view)]
        case _:
            assert_never(rule)


Why = Callable[[View], str]


def reason(rule: Rule, view: View) -> str:
    """Why the rule holds or does not, in at most 500 characters."""
    return reasoning(rule)(view)


def reasoning(rule: Rule) -> Why:
    """The rule as a function that says why; made once per version of a definition."""
    made: list[Decisive] = []

    def why(view: View) -> str:
        # Most definitions never have to say anything between two of their versions.
        if not made:
            made.append(_decisive(rule))
        words = " and ".join([one.words() for one in made[0](view)[1]])
        return words if len(words) <= MAX_REASON else f"{words[: MAX_REASON - 1]}…"

    return why


def _decisive(rule: Rule) -> Decisive:
    """The result, and the comparisons that settle it: all of them, or the first of its kind."""
    match rule:
        case Leaf():
            return _compared(rule)
        case Not():
            return _contrary(_decisive(rule.child))
        case And() | Or():
            parts = [_decisive(one) for one in rule.children]
            return _settled(parts, by=isinstance(rule, Or))
        case _:
            assert_never(rule)


def _compared(leaf: Leaf) -> Decisive:
    subject, judge = leaf.subject, judge_of(leaf)

    def decide(view: View) -> tuple[bool, list[Verdict]]:
        result, until = judge(view)
        if isinstance(subject, InList):
            by = [{"kind": kind, "value": value} for kind, value in subject.read(view.facts)]
            return result, [Verdict(leaf, by, result, until, view.facts.roll.name_of(subject.id))]
        if isinstance(subject, OfEvents):
            actual, events = evidence(subject, view)
            return result, [Verdict(leaf, actual, result, until, events=events)]
        if isinstance(subject, InGroup):
            keys = keys_of(fitting(subject, view, judge_of))
            return result, [Verdict(leaf, keys, result, until)]
        is_plain = isinstance(subject, Bucket | Reachable | InSegment)
        return result, [
            Verdict(leaf, None if is_plain else subject.read(view.facts), result, until)
        ]

    return decide


def _contrary(part: Decisive) -> Decisive:
    def decide(view: View) -> tuple[bool, list[Verdict]]:
        result, verdicts = part(view)
        return not result, verdicts

    return decide


def _settled(parts: list[Decisive], *, by: bool) -> Decisive:
    def decide(view: View) -> tuple[bool, list[Verdict]]:
        collected: list[Verdict] = []
        for part in parts:
            result, verdicts = part(view)
            if result is by:
                return by, verdicts
            collected += verdicts
        return not by, collected

    return decide


def _show(value: Any) -> str:
    text = _shown.encode(value).decode()
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
