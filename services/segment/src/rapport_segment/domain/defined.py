"""What rules ask of computed traits, against what these are."""

from collections.abc import Mapping, Sequence

from rapport_common.events.trait import TraitType
from rapport_segment.domain import tree
from rapport_segment.domain.leaves import MATCHES, ORDER, PRESENCE, TEXT
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.subjects import Defined
from rapport_segment.domain.tree import Leaf, Rule

_SHOWN = 20
_OF_TEXTS = frozenset({"text", "list"})


Asked = tuple[Leaf, Defined]
"""A comparison, and the computed trait that it is with."""


def leaves(rule: Rule) -> list[Asked]:
    """The comparisons with computed traits."""
    return [(one, one.subject) for one in tree.leaves(rule) if isinstance(one.subject, Defined)]


def check(asked: Sequence[Asked], types: Mapping[str, TraitType]) -> None:
    """RuleError for a trait that there is not, and for what can't be asked of one of its type."""
    for leaf, subject in asked:
        _check(leaf, subject, types)


def _check(leaf: Leaf, subject: Defined, types: Mapping[str, TraitType]) -> None:
    kind = types.get(subject.name)
    if kind is None:
        raise RuleError(_at(leaf, "defined"), missing(subject.name, types))
    if (kind == "money") != (subject.currency is not None) and leaf.op not in PRESENCE:
        raise RuleError(_at(leaf, "currency"), of_currency(subject.name, kind))
    if leaf.op in {*TEXT, MATCHES} and kind not in _OF_TEXTS:
        raise RuleError(
            _at(leaf, "op"), f"{leaf.op} asks for texts, and {subject.name} is a {kind}"
        )
    if leaf.is_timed and kind != "time":
        message = f"{subject.name} is a {kind}, and no instant"
        raise RuleError(_at(leaf, "op" if leaf.op not in ORDER else "value"), message)
    if leaf.of == "size":
        if kind != "list":
            raise RuleError(_at(leaf, "of"), f"{subject.name} is a {kind}, and has no size")
        return
    if leaf.op in ORDER and kind == "list":
        raise RuleError(
            _at(leaf, "op"), f"{leaf.op} has no meaning for a list: use eq or in, or its size"
        )


def missing(name: str, types: Mapping[str, TraitType]) -> str:
    """What is told of a trait that there is not: which there are, and how there would be one."""
    known = ", ".join(sorted(types)[:_SHOWN]) or "none"
    return (
        f"there is no computed trait '{name}' here; there are: {known}. Profile works one out once "
        f"it is defined, or, if it comes with Rapport, rapport profile computed adopt {name}"
    )


def of_currency(name: str, kind: TraitType) -> str:
    """What is told of money without a currency, or of a currency where there is no money."""
    return (
        f"{name} needs a currency: it is money"
        if kind == "money"
        else (f"{name} is a {kind}, not money")
    )


def _at(leaf: Leaf, part: str) -> str:
    return f"{leaf.path}.{part}" if leaf.path else part
