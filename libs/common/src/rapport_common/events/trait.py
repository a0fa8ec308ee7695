"""The record on `profile.trait`: what a computed trait of a workspace is now."""

from datetime import datetime
from typing import Literal

import msgspec

TraitType = Literal["number", "money", "time", "text", "list"]
"""Of what people are told: `money` is a number for each currency."""


class TraitDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a computed trait; the highest version holds, in whatever order they come.

    `at` is when the version was made (UTC). One that has `ended` is told of no more.
    """

    workspace: str
    name: str
    version: int
    type: TraitType
    at: datetime
    ended: bool = False
