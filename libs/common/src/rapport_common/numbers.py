"""Numbers that people and programs write as text, read as JSON would read them."""

import re
from decimal import Decimal
from typing import Final

LONGEST: Final = 1_000
_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")


def plain_number(text: str) -> Decimal | None:
    """The number that a text is (`-12.50`, `1e-7`); None when it is none.

    `Decimal` also takes grouping (`1_000`), blanks around it, digits of other scripts (`１２`) and
    `Infinity`: what was meant by those is not known.
    """
    return Decimal(text) if len(text) <= LONGEST and _PLAIN.fullmatch(text) else None
