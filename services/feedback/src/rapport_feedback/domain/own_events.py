"""What feedback tells the others: answers and case changes as events about a person."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec

from rapport_common.events.envelope import Event
from rapport_feedback.domain.cases import Breach, Clock, Complaint, State
from rapport_feedback.domain.goodwill import Goodwill
from rapport_feedback.domain.naming import Contact, named
from rapport_feedback.domain.questions import Text, kind_of, other_key, score_of
from rapport_feedback.domain.survey_forms import Form
from rapport_feedback.domain.surveys import Invitation, Kind, Response

SOURCE = "feedback"
ANSWERED = "Survey Answered"
CASE_CHANGED = "Case State Changed"
CASE_OVERDUE = "Case Overdue"
CASE_DUE_SOON = "Case Due Soon"
CASE_ESCALATED = "Case Escalated"
DETRACTOR = 6
_ABOVE = {7: "passive", 8: "passive"}
CASE_VERIFIED = "Case Verified"
GOODWILL_GIVEN = "Goodwill Given"
MAX_WORDS, MAX_WORDS_EACH = 8000, 1000
"""Characters of people's own words in one event: of all its answers, and of each."""
# Who counts open cases goes by these alone.
CASE_NAMES = {
    State.RECEIVED: "Case Opened",
    State.CLOSED: "Case Closed",
    State.REOPENED: "Case Reopened",
}


def answered(form: Form, invitation: Invitation, response: Response) -> Event | None:
    """The answers as they stand now: one event per revision, named by it.

    `score` and `comment` are those of the leading question and of `comment`, where they were
    answered. None when nobody is named: of an anonymous survey nothing is told of anybody.
    """
    lead, comment = form.lead, form.comment
    score = None if lead is None else score_of(lead, response.answers)
    return _track(
        invitation.workspace,
        invitation.contact,
        name=ANSWERED,
        message_id=f"answer-{response.response_id}-{response.revision}",
        at=response.revised_at,
        properties={
            "survey_id": str(invitation.survey_id),
            "kind": invitation.kind,
            "wave": invitation.wave,
            **({} if score is None else {"score": score, **_group(invitation, score)}),
            "comment": response.answers.get(comment.id, "") if comment else "",
            "response_id": str(response.response_id),
            "revision": response.revision,
            "version": response.version,
            "state": response.state,
            **({"context": dict(invitation.context)} if invitation.context else {}),
            "answers": list(_answers(form, response.answers)),
        },
    )


def _group(invitation: Invitation, score: int) -> dict[str, str]:
    """Of an NPS whether they are a promoter, a passive or a detractor."""
    if invitation.kind is not Kind.NPS:
        return {}
    return {"group": "detractor" if score <= DETRACTOR else _ABOVE.get(score, "promoter")}


def _answers(form: Form, answers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each answer with the id and kind of its question; words only as far as they go together.

    `cut` says that there are more: they are in feedback (GET /v1/surveys/{id}/responses).
    """
    left = MAX_WORDS
    for question in form.questions.values():
        if question.id not in answers:
            continue
        value, score = answers[question.id], score_of(question, answers)
        told: dict[str, Any] = {"question": question.id, "kind": kind_of(question)}
        if isinstance(question, Text):
            kept = value[: max(0, min(left, MAX_WORDS_EACH))]
            left -= len(kept)
            told |= {"value": kept, **({"cut": True} if kept != value else {})}
        else:
            told["value"] = value
        other = answers.get(other_key(question.id))
        if other is not None:
            told["other"] = other
        yield told if score is None else {**told, "score": score}


def case_step(complaint: Complaint, at: datetime, *, again: bool = False) -> Event | None:
    """The step a case has just made. The complaint's text stays here: everybody reads `events`.

    `again`: one that was taken for a duplicate is open again, in whatever state.
    None when nobody is named, as for an answer.
    """
    name = CASE_NAMES.get(complaint.case.state, CASE_CHANGED)
    return _track(
        complaint.workspace,
        complaint.contact,
        name=CASE_NAMES[State.REOPENED] if again else name,
        message_id=f"case-{complaint.case_id}-{complaint.case.step}",
        at=at,
        properties={
            "case_id": str(complaint.case_id),
            # Which step is the last is not left to the clocks of several processes.
            "step": complaint.case.step,
            "number": complaint.number,
            "state": complaint.case.state,
            "subject": complaint.subject,
            "due_at": complaint.case.due_at,
            **_known(complaint),
        },
    )


def case_overdue(complaint: Complaint, breach: Breach) -> Event | None:
    """A limit that has passed: it happened then, whenever it was noted. None as for a step."""
    return _track(
        complaint.workspace,
        complaint.contact,
        name=CASE_OVERDUE,
        message_id=f"case-{complaint.case_id}-{breach.clock}-{breach.due_at.timestamp():.6f}",
        at=breach.due_at,
        received_at=breach.at,
        properties={
            "case_id": str(complaint.case_id),
            "number": complaint.number,
            "state": complaint.case.state,
            "subject": complaint.subject,
            "clock": breach.clock,
            "due_at": breach.due_at,
        },
    )


def case_notice(
    complaint: Complaint,
    clock: Clock,
    *,
    limit: datetime,
    told: tuple[int, str],
    at: datetime,
) -> Event | None:
    """A limit is near, or has passed so long ago that others are told: `told` is the level (0: it
    is near) and whom. None as for a step.
    """
    level, to = told
    return _track(
        complaint.workspace,
        complaint.contact,
        name=CASE_ESCALATED if level else CASE_DUE_SOON,
        message_id=f"case-{complaint.case_id}-{clock}-{limit.timestamp():.6f}-{level}",
        at=at,
        properties={
            "case_id": str(complaint.case_id),
            "number": complaint.number,
            "state": complaint.case.state,
            "subject": complaint.subject,
            "clock": clock,
            "due_at": limit,
            "level": level,
            **({"to": to} if to else {}),
            **_known(complaint),
        },
    )


def case_verified(complaint: Complaint, at: datetime) -> Event | None:
    """Whose a case is, is known: with this their timeline has all of it. None as for a step."""
    return _track(
        complaint.workspace,
        complaint.contact,
        name=CASE_VERIFIED,
        message_id=f"case-{complaint.case_id}-verified-{complaint.case.version}",
        at=at,
        properties={
            "case_id": str(complaint.case_id),
            "number": complaint.number,
            "state": complaint.case.state,
            "subject": complaint.subject,
        },
    )


def goodwill_given(complaint: Complaint, given: Goodwill) -> Event | None:
    """Something was given to a customer, with what it costs. None as for a step."""
    return _track(
        complaint.workspace,
        complaint.contact,
        name=GOODWILL_GIVEN,
        message_id=f"goodwill-{given.goodwill_id}",
        at=given.at,
        properties={
            "case_id": str(complaint.case_id),
            "number": complaint.number,
            "goodwill_id": str(given.goodwill_id),
            "kind": given.kind,
            "amount": str(given.amount),
            "cost": str(given.cost),
            "currency": given.currency,
            "reason": given.reason,
        },
    )


def _known(complaint: Complaint) -> dict[str, object]:
    """What is known of a case: all but what is empty, and not who works on it."""
    fields = asdict(complaint.fields)
    return {name: fields[name] for name in ("severity", "category", "product") if fields[name]}


def _track(
    workspace: str,
    contact: Contact,
    *,
    name: str,
    message_id: str,
    at: datetime,
    properties: dict[str, object],
    received_at: datetime | None = None,
) -> Event | None:
    person = named(contact.user_id, contact.email, contact.anonymous_id)
    if person is None:
        return None
    return Event(
        workspace=workspace,
        source=SOURCE,
        message_id=message_id,
        type="track",
        name=name,
        timestamp=at,
        received_at=received_at or at,
        identifiers=person.identifiers,
        properties=msgspec.Raw(msgspec.json.encode(properties)),
    )
