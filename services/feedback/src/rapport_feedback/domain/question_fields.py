"""Reads what a page's fields say into an answer; what can't be one is told at its question."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from rapport_feedback.domain.questions import (
    MAX_OTHER,
    Choice,
    Consent,
    Date,
    Matrix,
    Multiple,
    Question,
    Scale,
    Text,
    Value,
    options_of,
    other_key,
    other_of,
)

Fields = Mapping[str, Sequence[str]]
"""The values of each field, in their order."""

# They turn the direction of what follows, also of what others write beside it (UAX 9).
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_UNSEEN = re.compile("[\\s\u00ad\u200b-\u200f\u2060\ufeff\u061c\u180e\u3164\u115f\u1160]+")

CHOOSE_NUMBER = "Please choose a number from %(lowest)s to %(highest)s."
CHOOSE = "Please choose an answer."
CHOOSE_ONE_LISTED = "Please choose one of the answers that are listed."
CHOOSE_AT_LEAST = "Please choose at least %(least)s."
CHOOSE_AT_MOST = "Please choose at most %(most)s."
CHOOSE_EACH = "Please choose an answer in each row."
WRITE = "Please write an answer."
SHORTEN = "Please shorten this to %(longest)s characters."
UNSTORABLE = "Your text has a character that can't be kept. Please type it again."
ENTER_DAY = "Please enter a day."
NO_DAY_BEFORE = "Please enter a day from %(since)s on."
NO_DAY_AFTER = "Please enter a day up to %(until)s."
TICK = "Please tick the box to go on."

MESSAGES = (
    CHOOSE_NUMBER,
    CHOOSE,
    CHOOSE_ONE_LISTED,
    CHOOSE_AT_LEAST,
    CHOOSE_AT_MOST,
    CHOOSE_EACH,
    WRITE,
    SHORTEN,
    UNSTORABLE,
    ENTER_DAY,
    NO_DAY_BEFORE,
    NO_DAY_AFTER,
    TICK,
)


class AnswerError(ValueError):
    """What is wrong with the answer to a question, in words that are translated."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values)
        self.message = message
        self.values = values


def read(question: Question, fields: Fields) -> dict[str, Value]:
    """{key: answer} of a question; empty when nothing was said. AnswerError when that won't do."""
    found = _READERS[type(question)](question, fields)
    if not found and question.required:
        message, values = _needed(question)
        raise AnswerError(message, **values)
    return found


def is_said(question: Question, fields: Fields) -> bool:
    """Whether a form had a field of this question at all."""
    return any(name == question.id or name.startswith(f"{question.id}.") for name in fields)


def plain(text: str) -> str:
    """Words as they are kept: one kind of line end, nothing that turns what stands beside them.

    Words of which nothing can be seen are none.
    """
    kept = _TURNS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return kept if _UNSEEN.sub("", kept) else ""


def _needed(question: Question) -> tuple[str, dict[str, object]]:
    if isinstance(question, Scale):
        return CHOOSE_NUMBER, {"lowest": question.lowest, "highest": question.highest}
    wanted = {Text: WRITE, Date: ENTER_DAY, Consent: TICK, Matrix: CHOOSE_EACH}
    return wanted.get(type(question), CHOOSE), {}


def _one(fields: Fields, name: str) -> str:
    """A field's last value, as a browser means it; empty when it has none."""
    given = fields.get(name) or ("",)
    return given[-1].strip()


def _scale(question: Any, fields: Fields) -> dict[str, Value]:
    given = _one(fields, question.id)
    if not given:
        return {}
    # No other spelling of a number: `٣`, `1_0` and ` 3` in the middle of words are none.
    if given not in {str(number) for number in range(question.lowest, question.highest + 1)}:
        raise AnswerError(CHOOSE_NUMBER, lowest=question.lowest, highest=question.highest)
    return {question.id: int(given)}


def _choice(question: Any, fields: Fields) -> dict[str, Value]:
    given = _one(fields, question.id)
    if not given:
        return {}
    if given not in options_of(question):
        raise AnswerError(CHOOSE_ONE_LISTED)
    return {question.id: given, **_other(question, [given], fields)}


def _multiple(question: Any, fields: Fields) -> dict[str, Value]:
    told = {one.strip() for one in fields.get(question.id, ()) if one.strip()}
    if not told <= set(options_of(question)):
        raise AnswerError(CHOOSE_ONE_LISTED)
    if not told:
        return {}
    # In the order in which they are listed: the same answer is the same, however it was ticked.
    given = [one for one in options_of(question) if one in told]
    if len(given) < question.at_least:
        raise AnswerError(CHOOSE_AT_LEAST, least=question.at_least)
    if len(given) > question.at_most:
        raise AnswerError(CHOOSE_AT_MOST, most=question.at_most)
    return {question.id: given, **_other(question, given, fields)}


def _other(question: Question, given: Sequence[str], fields: Fields) -> dict[str, Value]:
    """What the other is; of an option that was not chosen nothing is kept."""
    if other_of(question) not in given:
        return {}
    key = other_key(question.id)
    text = _words(_one(fields, key), MAX_OTHER)
    return {key: text} if text else {}


def _matrix(question: Any, fields: Fields) -> dict[str, Value]:
    given = {row.id: _one(fields, f"{question.id}.{row.id}") for row in question.rows}
    chosen = {row: option for row, option in given.items() if option}
    if not set(chosen.values()) <= set(options_of(question)):
        raise AnswerError(CHOOSE_ONE_LISTED)
    if question.required and len(chosen) < len(question.rows):
        raise AnswerError(CHOOSE_EACH)
    return {question.id: chosen} if chosen else {}


def _text(question: Any, fields: Fields) -> dict[str, Value]:
    text = _words(_one(fields, question.id), question.longest)
    if not question.lines:
        text = " ".join(text.split())
    return {question.id: text} if text else {}


def _words(text: str, longest: int) -> str:
    if "\0" in text:
        raise AnswerError(UNSTORABLE)
    kept = plain(text)
    if len(kept) > longest:
        raise AnswerError(SHORTEN, longest=longest)
    return kept


def _date(question: Any, fields: Fields) -> dict[str, Value]:
    given = _one(fields, question.id)
    if not given:
        return {}
    try:
        day = date.fromisoformat(given).isoformat()
    except ValueError:
        raise AnswerError(ENTER_DAY) from None
    if question.since is not None and day < question.since:
        raise AnswerError(NO_DAY_BEFORE, since=question.since)
    if question.until is not None and day > question.until:
        raise AnswerError(NO_DAY_AFTER, until=question.until)
    return {question.id: day}


def _consent(question: Any, fields: Fields) -> dict[str, Value]:
    """An empty box is no answer: a browser says nothing of it."""
    return {question.id: True} if _one(fields, question.id).lower() in {"yes", "true", "on"} else {}


_Reader = Callable[[Any, Fields], dict[str, Value]]
_READERS: Mapping[type[Any], _Reader] = {
    **dict.fromkeys(Scale.__subclasses__(), _scale),
    Choice: _choice,
    Multiple: _multiple,
    Matrix: _matrix,
    Text: _text,
    Date: _date,
    Consent: _consent,
}
