"""Groups of a person as profile tells them: a trait, in which each group stands as an object.

Of a kind of which somebody has one group it is that object; of others it has lists of what all
groups have, trait by trait, and the groups themselves stand under `*`, by kind.
"""

from collections.abc import Mapping
from typing import Any

EACH = "*"
"""No kind of groups is called so."""

ID = "id"
"""A text in what is one group, a list in what is about several."""


def groups_told(told: Any) -> Mapping[str, list[dict[str, Any]]]:
    """The groups by kind; what is told in no such form says nothing."""
    if type(told) is not dict:
        return {}
    each = told.get(EACH)
    found = {}
    for kind, one in told.items():
        if kind == EACH:
            continue
        rows = [one] if _is_one(one) else each.get(kind) if type(each) is dict else None
        if type(rows) is list:
            found[kind] = [row for row in rows if type(row) is dict]
    return found


def _is_one(told: Any) -> bool:
    return type(told) is dict and type(told.get(ID)) is str
