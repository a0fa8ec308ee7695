"""What it costs to go through a value once, within a factor."""

from typing import Any

_MAX_DEPTH = 4


def size(value: Any, depth: int = 0) -> int:
    """Characters of a text, digits of a number, items of a list with what is in them."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() // 4 + 1
    if isinstance(value, list | tuple) and depth < _MAX_DEPTH:
        return len(value) + sum(size(one, depth + 1) for one in value)
    return len(value) if isinstance(value, list | tuple | dict | range) else 1
