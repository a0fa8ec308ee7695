"""The record on `profile.scores`: what a model has come to about a person."""

from datetime import datetime

import msgspec


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value under a name: `number`, a decimal string, or `text`; neither: there is none now.

    `reason`: why, in words for people.
    """

    name: str
    number: str | None = None
    text: str | None = None
    reason: str | None = None


class ProfileScores(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a version of a model says of a person, by what was known at `as_of` (UTC).

    Of each name the newest `as_of` holds, in whatever order records come. Names that are not told
    stay as they are.
    """

    workspace: str
    profile_id: str
    model: str
    model_version: str
    as_of: datetime
    scores: list[Score]
