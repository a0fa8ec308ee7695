"""The variables that a campaign's templates have, and those that a template only hopes for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from liquid import BoundTemplate

from rapport_common.events.profile import ComputedState

ANY: Mapping[str, Any] | None = None
"""Whatever is below: a workspace chooses the names."""

_VALUE: Mapping[str, Any] = {}

EXISTING: Mapping[str, Any] = {
    "profile": {
        "email": _VALUE,
        "traits": ANY,
        "computed": dict.fromkeys(ComputedState.__struct_fields__, _VALUE)
        | {"revenue": ANY, "defined": ANY},
    },
    "campaign": {"id": _VALUE, "name": _VALUE},
    "coupon": {"code": _VALUE},
    "feed": ANY,
    # Which slots and offers there are is asked when a text is saved (`handlers/suppliers.py`).
    "recommendations": ANY,
    "offer": ANY,
    "unsubscribe_url": _VALUE,
    "preferences_url": _VALUE,
    "now": ANY,
    "today": ANY,
}
"""What there is, as a tree of names."""

OF_REQUESTS: Mapping[str, Any] = {
    "profile": EXISTING["profile"],
    "data": ANY,
    "now": ANY,
    "today": ANY,
}
"""What there is in the message that one request asks for."""

OF_SURVEYS: Mapping[str, Any] = {**OF_REQUESTS, "unsubscribe_url": _VALUE}
"""The same of one that asks somebody how they liked something."""

# Liquid has these of every value.
_OF_ANY_VALUE = {"size", "first", "last"}


@dataclass(frozen=True, slots=True)
class Unknown:
    """A variable that does not exist, and the index of the character at which it stands."""

    name: str
    index: int


def names(existing: Any = EXISTING, above: str = "") -> list[str]:
    """All variables with their full names; `.*` stands for any name."""
    found: list[str] = []
    for name, below in existing.items():
        full = f"{above}.{name}" if above else name
        if below is ANY:
            found.append(full if full in {"now", "today"} else f"{full}.*")
        else:
            found += names(below, full) if below else [full]
    return found


def unknown_in(template: BoundTemplate, existing: Any = EXISTING) -> list[Unknown]:
    """The variables of a template that neither exist nor are made by it, in their order."""
    analysis = template.analyze()
    found = [
        Unknown(str(variable), variable.span.index)
        for root, variables in analysis.globals.items()
        # A loop may use what its turn before has assigned.
        if root not in analysis.locals
        for variable in variables
        if not _exists(variable.segments, existing)
    ]
    return sorted(found, key=lambda one: one.index)


def _exists(path: list[Any], tree: Any) -> bool:
    for segment in _names(path):
        if tree is ANY or segment is None:
            return True
        if segment not in tree:
            is_root = any(tree is one for one in (EXISTING, OF_REQUESTS, OF_SURVEYS))
            return not is_root and segment in _OF_ANY_VALUE
        tree = tree[segment]
    return True


def _names(path: list[Any]) -> Iterator[str | None]:
    """The segments of a path; None for one that is known only when it is rendered."""
    for number, segment in enumerate(path):
        if isinstance(segment, str | int):
            yield str(segment)
        else:
            yield None if number else str(segment)
