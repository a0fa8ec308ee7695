"""What identifiers are called, and the one form in which each is kept."""

import re
from typing import NamedTuple

from rapport_common.events.kinds import KINDS, is_kind, is_nobodys, normal_value

MAX_VALUE = 1024
"""Characters of an identifier."""

_SEPARATORS = re.compile(r"[\s_-]")
_KINDS = {_SEPARATORS.sub("", kind): kind for kind in KINDS}


class Refused(NamedTuple):
    """Why something is no identifier: a code for programs, and words."""

    code: str
    reason: str


def kind_called(name: str) -> str:
    """The kind of identifiers that goes by a name: `userId`, `user-id`, `User ID` are `user_id`."""
    plain = name.strip().lower()
    return _KINDS.get(_SEPARATORS.sub("", plain), plain)


def named(kind: str, value: object) -> tuple[str, str] | Refused:
    """An identifier in the form in which all are kept, or why it is none."""
    kind = kind_called(kind)
    if not is_kind(kind):
        # What stands there is not told: it may be an address, in the wrong column.
        return Refused("invalid_kind", "this is no kind of identifier: a-z, 0-9, '_'")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return Refused("invalid_value", f"a value of {kind} is a text")
    if len(value) > MAX_VALUE or "\0" in value:
        return Refused("invalid_value", f"{kind} has at most {MAX_VALUE} characters, and no NUL")
    normal = normal_value(kind, value)
    if normal is None:
        return Refused("invalid_value", f"it is no {kind}{_HINTS.get(kind, '')}")
    if is_nobodys(kind, normal):
        return Refused("placeholder", f"this {kind} names nobody: it stands where there is none")
    return kind, normal


_HINTS = {"phone": "; write it with its country's code: +49 170 1234567"}
