"""Paths into JSON as peers write them (`$.address.city`, `['a b'].c`), as paths of ours."""

import re

from rapport_common.paths import path_of
from rapport_segment.domain.importing.parts import Reader

_NAME = r"""[^.\[\]'"*$@?]+|\[(?:'[^'\]]+'|"[^"\]]+")\]"""
_NAMES = re.compile(_NAME)
_PATH = re.compile(rf"(?:\$\.|\$(?=\[))?(?:{_NAME})(?:\.(?:{_NAME})|(?=\[)(?:{_NAME}))*")


def our_path(written: str, place: str, reader: Reader) -> str:
    """The path; a problem for one that goes into lists, or to whatever is like a pattern."""
    if _PATH.fullmatch(written) is None:
        reader.refuse(place, "must lead through names: a rule asks of no element by its number")
        return "x"
    names = _NAMES.findall(written.removeprefix("$"))
    return path_of(*(one[2:-2] if one.startswith("[") else one for one in names))
