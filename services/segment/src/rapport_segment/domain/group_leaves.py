"""Reads the comparisons of a rule that ask for one and the same group of a person."""

from rapport_common.events.kinds import is_kind
from rapport_segment.domain import operands
from rapport_segment.domain.event_leaves import where_of
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.leaves import Document, refuse_others
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.tree import IS, Leaf
from rapport_segment.domain.windows import Anniversary

GROUP = "group"
"""By this a comparison with groups is known; in a line a bracket stands behind it."""


def group_leaf(document: Document, path: str) -> Leaf:
    """A comparison with groups; RuleError says what is wrong and where."""
    refuse_others(document, path, {GROUP, "where"})
    prefix = f"{path}." if path else ""
    kind = operands.text(document[GROUP], f"{prefix}{GROUP}")
    if not is_kind(kind):
        message = "must be a kind of groups, such as company: a-z, 0-9 and '_', a letter first"
        raise RuleError(f"{prefix}{GROUP}", message)
    where = where_of(document, path, may_move=True)
    for number, one in enumerate(where):
        if isinstance(one.value, Anniversary):
            place = f"{prefix}where[{number}].op"
            raise RuleError(place, "anniversary is of people: a group has no zone; use within")
    return Leaf(path, InGroup(kind, where), IS, None)
