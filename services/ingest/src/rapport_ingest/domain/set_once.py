"""Traits that are said only for the case that nothing else is: `$set_once` among an identify's.

Profile weighs them so. Whatever looks at traits at the door, such as a plan or a transform, looks
at these, too.
"""

from collections.abc import Mapping
from typing import Any

ONCE = "$set_once"
ADDRESSES = frozenset({"email", "phone"})
"""They say who somebody is and where they are reached: that has no "once"."""


def traits_said(once: Mapping[str, Any], always: Mapping[str, Any]) -> dict[str, Any]:
    """The traits of an identify by whose client some are said `once`, the others whatever is."""
    plain = {name: value for name, value in once.items() if name in ADDRESSES}
    rest = {
        name: value for name, value in once.items() if name not in ADDRESSES and name not in always
    }
    return {**({ONCE: rest} if rest else {}), **plain, **always}


def all_told(traits: Mapping[str, Any]) -> dict[str, Any]:
    """All traits that are said, side by side; where one is said both ways, the plain word."""
    once = traits.get(ONCE)
    if not isinstance(once, dict):
        return dict(traits)
    return {**once, **{name: value for name, value in traits.items() if name != ONCE}}
