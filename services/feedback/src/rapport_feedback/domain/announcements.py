"""What is posted of answers and cases, and to whom: bodies after Standard Webhooks 1.0.0.

No post has an address in it, nor a word that somebody has typed: both can name a person, and can't
be called back when that person is to be forgotten. They are asked for by the id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from rapport_common.events.envelope import Event, Identifier
from rapport_feedback.domain import own_events
from rapport_feedback.domain.cases import State

Announced = Literal[
    "survey.answered",
    "case.opened",
    "case.changed",
    "case.closed",
    "case.reopened",
    "case.due_soon",
    "case.overdue",
    "case.escalated",
]
ANNOUNCED: tuple[Announced, ...] = get_args(Announced)
USUAL: tuple[Announced, ...] = (
    "survey.answered",
    "case.opened",
    "case.closed",
    "case.reopened",
    "case.overdue",
    "case.escalated",
)
"""What a webhook is told of that names nothing."""

_BY_NAME: Mapping[str, Announced] = {
    own_events.ANSWERED: "survey.answered",
    own_events.CASE_NAMES[State.RECEIVED]: "case.opened",
    own_events.CASE_CHANGED: "case.changed",
    own_events.CASE_NAMES[State.CLOSED]: "case.closed",
    own_events.CASE_NAMES[State.REOPENED]: "case.reopened",
    own_events.CASE_DUE_SOON: "case.due_soon",
    own_events.CASE_OVERDUE: "case.overdue",
    own_events.CASE_ESCALATED: "case.escalated",
}
_TYPED = frozenset({"text", "date", "consent"})
"""Kinds of questions whose answers are a person's own words, or about that person."""

_OF_ANSWERS = (
    *("survey_id", "response_id", "kind", "wave", "score", "revision", "version", "state"),
    "context",
)
_OF_CASES = (
    *("case_id", "number", "state", "step", "due_at", "clock", "level", "to", "severity"),
    *("category", "product"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be told of an answer or case; `subject` is which, `whose` the person's name."""

    workspace: str
    event: Announced
    subject: str
    whose: Identifier
    at: datetime
    data: Mapping[str, Any]

    def body(self, profile_id: str) -> str:
        """What is posted, as JSON; `profile_id` is empty for nobody who is known."""
        data = {**self.data, "profile_id": profile_id or None}
        body = {"type": self.event, "timestamp": self.at, "data": data}
        return msgspec.json.encode(body).decode()


def announced(event: Event) -> Said | None:
    """What webhooks are told of an event of ours; None: nothing."""
    named = _BY_NAME.get(event.name or "")
    if named is None:
        return None
    said: dict[str, Any] = msgspec.json.decode(event.properties)
    is_answer = named == "survey.answered"
    wanted = _OF_ANSWERS if is_answer else _OF_CASES
    data = {name: said[name] for name in wanted if name in said}
    if is_answer:
        data["answers"] = [
            {"question": one["question"], "kind": one["kind"], "value": one["value"]}
            for one in said["answers"]
            if one["kind"] not in _TYPED
        ]
    subject = said["response_id" if is_answer else "case_id"]
    return Said(event.workspace, named, subject, event.identifiers[0], event.timestamp, data)
