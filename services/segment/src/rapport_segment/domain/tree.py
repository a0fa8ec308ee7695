"""The rule tree of a segment: comparisons, and how they are joined."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from rapport_segment.domain.sections import TRAITS, Facts
from rapport_segment.domain.subjects import Field, Of, Subject
from rapport_segment.domain.values import Scalar
from rapport_segment.domain.windows import Anniversary, BesideNow, Calendar, Rolling, Timed
from rapport_segment.domain.zones import TIMEZONE

Operand = Scalar | tuple[Scalar, ...] | Timed

IS = "is"
"""The operator of what is true or false by itself."""

TIME = frozenset({"within", "anniversary"})
_TIMED = (BesideNow, Rolling, Calendar, Anniversary)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. `value` is None for exists, not_exists and is, a tuple for in."""

    path: str
    subject: Subject
    op: str
    value: Operand | None
    of: Of = "any"

    @property
    def is_timed(self) -> bool:
        """Whether the verdict may change while the facts stay as they are, by the operator."""
        return isinstance(self.value, _TIMED)

    @property
    def read(self) -> Callable[[Facts], Any]:
        """Reads the value that is compared; a comparison with events has none to be read so."""
        subject: Any = self.subject
        found: Callable[[Facts], Any] = subject.read
        return found

    @property
    def fields(self) -> frozenset[Field]:
        """All that it reads."""
        zone = {(TRAITS, TIMEZONE)} if isinstance(self.value, Anniversary) else set()
        return self.subject.fields | zone

    @property
    def sections(self) -> int:
        """The sections that it reads, as bits by their places."""
        zone = 1 << TRAITS if isinstance(self.value, Anniversary) else 0
        return self.subject.sections | zone


@dataclass(frozen=True, slots=True)
class And:
    children: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    children: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    child: "Rule"


Rule = And | Or | Not | Leaf


def leaves(rule: Rule) -> Iterator[Leaf]:
    """All comparisons, in their order."""
    match rule:
        case Leaf():
            yield rule
        case Not():
            yield from leaves(rule.child)
        case And() | Or():
            for child in rule.children:
                yield from leaves(child)
        case _:
            assert_never(rule)


def is_same(one: Rule, other: Rule) -> bool:
    """Whether two rules say the same: `true` and `1`, which Python takes for equal, do not."""
    return one == other and [_truths(leaf.value) for leaf in leaves(one)] == [
        _truths(leaf.value) for leaf in leaves(other)
    ]


def _truths(value: Operand | None) -> tuple[bool, ...]:
    some = value if isinstance(value, tuple) else (value,)
    return tuple(isinstance(each, bool) for each in some)
