"""What is otherwise in one version of a rule than in another."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from rapport_segment.domain.printing import line
from rapport_segment.domain.tree import And, Leaf, Not, Or, Rule


@dataclass(frozen=True, slots=True)
class Difference:
    """The comparisons that only one of two rules has, each as a line, in their order there.

    Where both are empty and the rules are not the same, the same comparisons are joined otherwise.
    """

    removed: list[str]
    added: list[str]


def difference(old: Rule, new: Rule) -> Difference:
    """From the old one to the new one."""
    before, after = list(_asked(old)), list(_asked(new))
    return Difference(_without(before, after), _without(after, before))


def _without(some: list[str], others: list[str]) -> list[str]:
    left = Counter(others)
    found = []
    for one in some:
        if left[one]:
            left[one] -= 1
        else:
            found.append(one)
    return found


def _asked(rule: Rule, *, contrary: bool = False) -> Iterator[str]:
    match rule:
        case Leaf():
            yield f"not {line(rule)}" if contrary else line(rule)
        case Not():
            yield from _asked(rule.child, contrary=not contrary)
        case And() | Or():
            for child in rule.children:
                yield from _asked(child, contrary=contrary)
        case _:
            assert_never(rule)
