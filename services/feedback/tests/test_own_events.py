"""What others hear of answers and cases: which events, named and dated how, about whom."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from rapport_feedback.domain import cases, own_events
from rapport_feedback.domain.cases import Breach, Case, Clock, Complaint, State
from rapport_feedback.domain.goodwill import Goodwill
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.survey_forms import of_document, simple
from rapport_feedback.domain.surveys import Invitation, Kind, Response

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
ADA = Contact(user_id="42", email="ada@example.com")
ONE, TWO = UUID(int=1), UUID(int=2)


def complaint(state: State) -> Complaint:
    case = Case(state, 3, NOON, due_at=NOON + timedelta(days=56))
    return Complaint("acme", ONE, 7, ADA, "Torn cover", "It came torn.", case)


def test_an_answer_is_an_event_per_revision_at_the_time_it_was_changed() -> None:
    later = NOON + timedelta(minutes=5)
    invitation = Invitation("acme", ONE, TWO, 1, ADA, later, Kind.NPS, "Why?")
    answers = {"score": 9, "comment": "Quick"}
    response = Response(ONE, answers, 2, NOON, later, finished_at=NOON)
    event = own_events.answered(simple("Why?"), invitation, response)
    assert event is not None
    assert (event.name, event.message_id) == ("Survey Answered", f"answer-{ONE}-2")
    assert (event.workspace, event.source, event.type) == ("acme", "feedback", "track")
    assert (event.timestamp, event.value("user_id"), event.value("email")) == (
        later,
        "42",
        "ada@example.com",
    )
    told = msgspec.json.decode(event.properties)
    assert (told["survey_id"], told["wave"], told["score"]) == (str(TWO), 1, 9)
    assert (told["comment"], told["revision"]) == ("Quick", 2)
    assert told["answers"] == [
        {"question": "score", "kind": "nps", "value": 9, "score": 9},
        {"question": "comment", "kind": "text", "value": "Quick"},
    ]


def test_what_else_was_said_beside_an_option_is_told_and_of_nobody_nothing() -> None:
    options = [{"id": "a", "text": "A"}, {"id": "b", "text": "B", "other": True}]
    question = {"kind": "choice", "id": "c", "text": "?", "options": options}
    form = of_document({"pages": [{"id": "p", "questions": [question]}]})
    response = Response(ONE, {"c": "b", "c.other": "Noise"}, 1, NOON, NOON)
    invitation = Invitation("acme", ONE, TWO, 1, ADA, NOON, Kind.NONE, "?")
    event = own_events.answered(form, invitation, response)
    assert event is not None
    (told,) = msgspec.json.decode(event.properties)["answers"]
    assert told == {"question": "c", "kind": "choice", "value": "b", "other": "Noise"}
    nobody = replace(invitation, contact=Contact(), is_open=True)
    assert own_events.answered(form, nobody, response) is None


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (State.RECEIVED, "Case Opened"),
        (State.ASSESSED, "Case State Changed"),
        (State.CLOSED, "Case Closed"),
        (State.REOPENED, "Case Reopened"),
    ],
)
def test_a_step_of_a_case_is_told_by_its_name_and_without_its_text(state: State, name: str) -> None:
    event = own_events.case_step(complaint(state), NOON)
    assert event is not None
    assert (event.name, event.message_id, event.timestamp) == (name, f"case-{ONE}-3", NOON)
    told = msgspec.json.decode(event.properties)
    assert (told["number"], told["state"], told["subject"]) == (7, state, "Torn cover")
    assert (told["case_id"], told["step"]) == (str(ONE), 3)
    assert b"It came torn." not in bytes(event.properties)


def test_a_limit_that_passed_is_told_with_its_own_time() -> None:
    noted = NOON + timedelta(seconds=1)
    breach = Breach(Clock.RESOLVE, NOON, noted)
    event = own_events.case_overdue(complaint(State.ASSESSED), breach)
    assert event is not None
    assert (event.name, event.timestamp, event.received_at) == ("Case Overdue", NOON, noted)
    assert event.message_id == f"case-{ONE}-resolve-{NOON.timestamp():.6f}"
    told = msgspec.json.decode(event.properties)
    assert (told["clock"], told["number"], told["state"]) == ("resolve", 7, "assessed")
    assert b"It came torn." not in bytes(event.properties)


@pytest.mark.parametrize(
    ("level", "to", "name"), [(0, "", "Case Due Soon"), (2, "head", "Case Escalated")]
)
def test_a_limit_that_is_near_or_long_past_is_told_once_a_level(
    level: int, to: str, name: str
) -> None:
    limit = NOON + timedelta(hours=1)
    event = own_events.case_notice(
        complaint(State.ASSESSED), Clock.RESOLVE, limit=limit, told=(level, to), at=NOON
    )
    assert event is not None
    assert (event.name, event.timestamp) == (name, NOON)
    assert event.message_id == f"case-{ONE}-resolve-{limit.timestamp():.6f}-{level}"
    told = msgspec.json.decode(event.properties)
    assert (told["clock"], told["level"], told.get("to", "")) == ("resolve", level, to)
    assert b"It came torn." not in bytes(event.properties)


def test_what_names_nobody_is_told_to_nobody() -> None:
    nobody = Contact("null", "noreply@example.com", "0")
    assert own_events.case_step(replace(complaint(State.RECEIVED), contact=nobody), NOON) is None
    half = replace(complaint(State.RECEIVED), contact=Contact("null", "Eve@Example.com"))
    event = own_events.case_step(half, NOON)
    assert event is not None
    assert event.identifiers == [("email", "eve@example.com")]


def test_a_line_of_history_says_who_and_from_where() -> None:
    case = complaint(State.CLOSED).case
    step = cases.step_of(case, State.RESPONSE_OFFERED, actor="ann", note="a refund", now=NOON)
    assert (step.step, step.actor, step.at, step.note) == (3, "ann", NOON, "a refund")
    assert (step.from_state, step.to_state) == (State.RESPONSE_OFFERED, State.CLOSED)
    assert (step.acknowledge_due_at, step.due_at) == (case.acknowledge_due_at, case.due_at)


@pytest.mark.parametrize(
    ("kind", "score", "group"),
    [
        (Kind.NPS, 0, "detractor"),
        (Kind.NPS, 6, "detractor"),
        (Kind.NPS, 7, "passive"),
        (Kind.NPS, 8, "passive"),
        (Kind.NPS, 9, "promoter"),
        (Kind.CSAT, 5, None),
    ],
)
def test_a_promoter_is_told_as_one_and_only_of_an_nps(
    kind: Kind, score: int, group: str | None
) -> None:
    invitation = Invitation("acme", ONE, TWO, 1, ADA, NOON, kind, "Why?")
    form = simple("Why?", kind)
    event = own_events.answered(form, invitation, Response(ONE, {"score": score}, 1, NOON, NOON))
    assert event is not None
    assert msgspec.json.decode(event.properties).get("group") == group


def test_whose_a_case_is_and_what_was_given_are_told_without_its_text() -> None:
    known = own_events.case_verified(complaint(State.RECEIVED), NOON)
    gift = Goodwill(
        TWO, ONE, "coupon", Decimal(5), "EUR", Decimal("4.10"), "SECRET-1", "late", "ann", NOON
    )
    given = own_events.goodwill_given(complaint(State.CLOSED), gift)
    assert known is not None
    assert given is not None
    assert (known.name, given.name) == ("Case Verified", "Goodwill Given")
    assert given.message_id == f"goodwill-{TWO}"
    told = msgspec.json.decode(given.properties)
    assert (told["cost"], told["currency"], told["reason"]) == ("4.10", "EUR", "late")
    for one in (known, given):
        assert b"It came torn." not in bytes(one.properties)
        assert b"SECRET-1" not in bytes(one.properties), "everybody reads events"
