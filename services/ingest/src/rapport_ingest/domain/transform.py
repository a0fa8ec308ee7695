"""Changes to events that an operator declares as data: rename, drop, hash, cast, default."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

Operation = Literal["rename", "drop", "hash", "cast", "default"]
Cast = Literal["string", "number", "integer", "boolean", "datetime"]


class Transform(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One change of the field at `path` (dotted: `traits.mail`), for all events or those named.

    `rename` needs `to`, `cast` needs `type`, `default` needs `value`.
    """

    op: Operation
    path: str
    event: str | None = None
    to: str | None = None
    type: Cast | None = None
    value: Any = None


class TransformError(Exception):
    """The value at `path` can't be changed as declared."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


Transformer = Callable[[dict[str, Any]], dict[str, Any]]
"""Changes a decoded event in place and gives it back; TransformError when it can't."""


def compile_transforms(transforms: Sequence[Transform]) -> Transformer | None:
    """The changes as one function, in their order; None when there are none."""
    if transforms:
        raise NotImplementedError
    return None
