"""JSON as values that JSON can be made of again."""

import json
from math import isfinite
from typing import Any


def plain(body: bytes) -> Any:
    """The values of JSON. A number that no float can hold (`1e400`) is its text.

    Trusted bytes only, of our own making: ValueError for what is no JSON.
    """
    return json.loads(body, parse_float=_number)


def _number(text: str) -> float | str:
    found = float(text)
    return found if isfinite(found) else text
