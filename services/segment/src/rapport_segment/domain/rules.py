"""Reads rules, and names the place of every mistake."""

from collections.abc import Mapping

from rapport_segment.domain.event_leaves import EVENT_KEYS, asks_of_events, event_leaf
from rapport_segment.domain.group_leaves import GROUP, group_leaf
from rapport_segment.domain.leaves import SUBJECTS, leaf, refuse_others
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.tree import And, Not, Or, Rule

MAX_DEPTH = 16
MAX_NODES = 500


def parse(document: object) -> Rule:
    """A rule from decoded JSON; RuleError says what is wrong and where."""
    return _Parser().node(document, "", 1)


class _Parser:
    """Walks the document and counts its nodes."""

    def __init__(self) -> None:
        self._nodes = 0

    def node(self, document: object, path: str, depth: int) -> Rule:
        if not isinstance(document, Mapping):
            raise RuleError(path, "must be an object: and, or, not, or a comparison")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise RuleError(path, f"a rule has at most {MAX_NODES} nodes")
        if depth > MAX_DEPTH:
            raise RuleError(path, f"a rule is at most {MAX_DEPTH} levels deep")
        branch = next((key for key in ("and", "or", "not") if key in document), None)
        if branch is None and asks_of_events(document):
            return event_leaf(document, path)
        if branch is None and GROUP in document:
            return group_leaf(document, path)
        if branch is None:
            if not any(key in document for key in SUBJECTS):
                known = ", ".join((*SUBJECTS, GROUP, *EVENT_KEYS))
                raise RuleError(path, f"needs one of: and, or, not, {known}; and only one")
            return leaf(document, path)
        refuse_others(document, path, {branch})
        below = f"{path}.{branch}" if path else branch
        if branch == "not":
            return Not(self.node(document[branch], below, depth + 1))
        children = self._children(document[branch], below, depth)
        return And(children) if branch == "and" else Or(children)

    def _children(self, listed: object, path: str, depth: int) -> tuple[Rule, ...]:
        if not isinstance(listed, list) or not listed:
            raise RuleError(path, "must be a list with at least one rule")
        return tuple(
            self.node(child, f"{path}[{index}]", depth + 1) for index, child in enumerate(listed)
        )
