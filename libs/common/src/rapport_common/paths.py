r"""Paths into JSON objects: names with dots between them, the same wherever a path is written.

`address.city` is the member `city` of the object `address`. A dot, or a backslash, that is part of
a name has a backslash before it: `site\.name`. A member whose whole name is the path as it is
written comes first, so names with dots can be written as they are.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

_PLACE = re.compile(r"[0-9]{1,15}")


@lru_cache(maxsize=4096)
def names_of(path: str) -> tuple[str, ...]:
    """The names of a path, from the outside in. Any text is a path: of one name at least."""
    if "\\" not in path:
        return tuple(path.split("."))
    names, name = [], ""
    rest = iter(path)
    for sign in rest:
        if sign == "\\":
            after = next(rest, "\\")
            # Before anything else it stands for itself.
            name += after if after in {".", "\\"} else f"\\{after}"
        elif sign == ".":
            names.append(name)
            name = ""
        else:
            name += sign
    return (*names, name)


def path_of(*names: str) -> str:
    """The path that leads through these names."""
    return ".".join(one.replace("\\", r"\\").replace(".", r"\.") for one in names)


def value_at(members: Mapping[str, Any], path: str) -> Any:
    """The value at a path of decoded JSON; None where there is none. Lists are not entered."""
    return members[path] if path in members else inner_value(members, names_of(path))


def element_at(members: Mapping[str, Any], path: str) -> Any:
    """The same, with lists entered by the place of an element: `items.0.sku`."""
    return members[path] if path in members else inner_element(members, names_of(path))


def inner_element(value: Any, names: Iterable[str]) -> Any:
    """What is in a value under these names, those of elements of lists being their places."""
    for name in names:
        if isinstance(value, list):
            value = value[int(name)] if _PLACE.fullmatch(name) and int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def inner_value(value: Any, names: Iterable[str]) -> Any:
    """What is in a value under these names; None where there is nothing."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
