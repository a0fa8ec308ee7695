"""What rules ask of computed traits, against what these are."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from rapport_common.events.trait import TraitType
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rules import ORDER, PRESENCE, TEXT, And, Defined, Leaf, Not, Or, Rule

_SHOWN = 20
_OF_TEXTS = frozenset({"text", "list"})


Asked = tuple[Leaf, Defined]
"""A comparison, and the computed trait that it is with."""


def leaves(rule: Rule) -> list[Asked]:
    """The comparisons with computed traits."""
    match rule:
        case Leaf():
            return [(rule, rule.subject)] if isinstance(rule.subject, Defined) else []
        case Not():
            return leaves(rule.child)
        case And() | Or():
            return [one for child in rule.children for one in leaves(child)]
        case _:
            assert_never(rule)


def check(asked: Sequence[Asked], types: Mapping[str, TraitType]) -> None:
    """RuleError for a trait that there is not, and for what can't be asked of one of its type."""
    for leaf, subject in asked:
        _check(leaf, subject, types)


def _check(leaf: Leaf, subject: Defined, types: Mapping[str, TraitType]) -> None:
    kind = types.get(subject.name)
    if kind is None:
        known = ", ".join(sorted(types)[:_SHOWN]) or "none"
        message = f"there is no computed trait '{subject.name}' here; there are: {known}"
        raise RuleError(_at(leaf, "defined"), message)
    if (kind == "money") != (subject.currency is not None) and leaf.op not in PRESENCE:
        wanted = "needs a currency: it is money" if kind == "money" else f"is a {kind}, not money"
        raise RuleError(_at(leaf, "currency"), f"{subject.name} {wanted}")
    if leaf.op in TEXT and kind not in _OF_TEXTS:
        raise RuleError(
            _at(leaf, "op"), f"{leaf.op} asks for texts, and {subject.name} is a {kind}"
        )
    if leaf.op in ORDER and kind == "list":
        raise RuleError(_at(leaf, "op"), f"{leaf.op} has no meaning for a list: use eq or in")


def _at(leaf: Leaf, part: str) -> str:
    return f"{leaf.path}.{part}" if leaf.path else part
