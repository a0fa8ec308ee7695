"""What a record of scores says, whether it can be kept, and which score of a name holds."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from rapport_common.errors import InvalidEvent
from rapport_common.events.scores import ProfileScores, Score
from rapport_common.kafka.batch import Record
from rapport_common.numbers import plain_number

MOST = 100
"""Scores in a record."""

MOST_TEXT = 1000
MOST_DIGITS = 400
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

Named = tuple[str, str, str]
"""(workspace, profile id, name)"""


class UnreadableScoreError(ValueError):
    """A record that says nothing that could be kept."""


class Published(msgspec.Struct, frozen=True):
    """One score of a person. `value` is None where there is none any more."""

    workspace: str
    profile_id: str
    name: str
    value: str | Decimal | None
    model: str
    model_version: str
    as_of: datetime
    reason: str | None

    @property
    def key(self) -> Named:
        """Whose it is, and what it is called."""
        return self.workspace, self.profile_id, self.name

    @property
    def age(self) -> tuple[datetime, str, str]:
        """The greatest holds."""
        return self.as_of, self.model, self.model_version


def read(record: ProfileScores) -> list[Published]:
    """What a record says; UnreadableScoreError if any of it can't be kept."""
    _require(len(record.scores) <= MOST, f"a record has at most {MOST} scores")
    texts = (record.workspace, record.model, record.model_version)
    _require(all("\0" not in one and len(one) <= MOST_TEXT for one in texts), "an absurd text")
    try:
        profile_id = str(UUID(record.profile_id))
    except ValueError:
        raise UnreadableScoreError("profile_id is no UUID") from None
    return [
        Published(
            record.workspace,
            profile_id,
            one.name,
            _value(one),
            record.model,
            record.model_version,
            record.as_of,
            None if one.reason is None else one.reason.replace("\0", "")[:MOST_TEXT],
        )
        for one in record.scores
    ]


def _value(one: Score) -> str | Decimal | None:
    _require(NAME.fullmatch(one.name) is not None, "the name of a score is of a-z, 0-9 and _")
    _require(one.number is None or one.text is None, f"{one.name}: a number and a text")
    if one.text is not None:
        said = "a text holds no NUL, and 1,000 characters at most"
        _require("\0" not in one.text and len(one.text) <= MOST_TEXT, said)
        return unicodedata.normalize("NFC", one.text)
    return None if one.number is None else _number(one.name, one.number)


def _number(name: str, told: str) -> Decimal:
    number = plain_number(told)
    if number is None:
        raise UnreadableScoreError(f"{name}: is no number")
    is_sound = abs(number.adjusted()) <= MOST_DIGITS
    _require(is_sound and len(told) <= MOST_DIGITS, f"{name}: is no number that could be kept")
    return number


def _require(holds: bool, message: str) -> None:  # noqa: FBT001 - what has to hold
    if not holds:
        raise UnreadableScoreError(message)


def said(batch: Sequence[Record]) -> list[Published]:
    """What records say; InvalidEvent names the one that can't be kept."""
    found: list[Published] = []
    for index, record in enumerate(batch):
        try:
            found += read(record.value)
        except UnreadableScoreError as error:
            raise InvalidEvent(index, str(error)) from error
    return found


def newest(some: Iterable[Published]) -> list[Published]:
    """Of each name of a person the one that holds, in the order of their keys."""
    found: dict[Named, Published] = {}
    for one in some:
        known = found.get(one.key)
        if known is None or known.age < one.age:
            found[one.key] = one
    return [found[key] for key in sorted(found)]
