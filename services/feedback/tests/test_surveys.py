"""When an answer counts, changes, stays, or comes too late."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import InvalidRequestError
from rapport_feedback.domain import surveys
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.survey_forms import simple
from rapport_feedback.domain.surveys import (
    AnonymousError,
    AnsweredError,
    ArchivedError,
    GoneError,
    Invitation,
    Kind,
    NotAnonymousError,
    Response,
    RestrictedError,
    Sent,
)

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEW_ID = UUID(int=1)


def test_when_an_anonymous_answer_came_tells_the_day_in_utc_only() -> None:
    late = datetime(2026, 1, 16, 23, 30, 5, 7, tzinfo=timezone(-2 * HOUR))
    assert surveys.day_of(late) == datetime(2026, 1, 17, tzinfo=UTC)


SCORES = st.integers(0, 10)


FORM = simple("How likely are you to recommend us?")


def send(
    before: Response | None,
    score: int | None = None,
    comment: str | None = None,
    *,
    after: timedelta = timedelta(0),
) -> Response:
    """A press on the page of a survey that is one question."""
    said = {"score": score, "comment": comment}
    told = {name: value for name, value in said.items() if value is not None}
    pages = tuple(one for one in FORM.pages if one.questions[0].id in told)
    sent = Sent(pages, {name: value for name, value in told.items() if value != ""})
    return surveys.answer(
        FORM, before, sent, new_id=NEW_ID, version=1, now=NOON + after, grace=HOUR
    )


def given_score(response: Response) -> object:
    return response.answers["score"]


def test_the_first_answer_is_revision_one() -> None:
    expected = Response(NEW_ID, {"score": 3}, 1, NOON, NOON, finished_at=NOON)
    assert send(None, 3) == expected


def test_a_comment_needs_a_score_first() -> None:
    with pytest.raises(InvalidRequestError, match="number"):
        send(None, comment="hello")


def test_a_comment_is_a_revision_that_keeps_the_score() -> None:
    revised = send(send(None, 3), comment="late", after=HOUR / 2)
    assert (revised.answers, revised.revision) == ({"score": 3, "comment": "late"}, 2)
    assert (revised.answered_at, revised.revised_at) == (NOON, NOON + HOUR / 2)


def test_zero_is_an_answer() -> None:
    assert given_score(send(send(None, 9), 0)) == 0


def test_the_score_can_change_for_an_hour() -> None:
    first = send(None, 3)
    assert given_score(send(first, 9, after=HOUR)) == 9
    with pytest.raises(AnsweredError) as refused:
        send(first, 9, after=HOUR + timedelta(seconds=1))
    assert refused.value.status == 409


def test_changing_does_not_prolong_the_hour() -> None:
    changed = send(send(None, 3), 4, after=HOUR)
    with pytest.raises(AnsweredError):
        send(changed, 5, after=HOUR * 1.5)


def test_the_first_comment_may_come_later_and_the_second_not() -> None:
    commented = send(send(None, 3), comment="broken", after=HOUR * 30)
    assert commented.answers["comment"] == "broken"
    with pytest.raises(AnsweredError):
        send(commented, comment="fixed", after=HOUR * 31)


def test_a_late_score_is_not_smuggled_in_with_a_comment() -> None:
    with pytest.raises(AnsweredError):
        send(send(None, 3), 10, "great", after=HOUR * 2)


@given(SCORES, st.text(max_size=20), st.timedeltas(timedelta(0), timedelta(days=365)))
def test_the_same_again_changes_nothing_at_any_time(
    score: int, comment: str, later: timedelta
) -> None:
    first = send(None, score, comment)
    assert send(first, score, comment, after=later) is first
    assert send(first, score, after=later) is first


@given(st.lists(SCORES, min_size=1, max_size=20))
def test_in_a_burst_the_last_wins(scores: list[int]) -> None:
    response: Response | None = None
    for milliseconds, score in enumerate(scores):
        response = send(response, score, after=timedelta(milliseconds=milliseconds))
    assert response is not None
    assert given_score(response) == scores[-1]
    assert response.answered_at == NOON
    changes = sum(one != other for one, other in pairwise(scores))
    assert response.revision == 1 + changes


def test_an_answer_does_not_change_for_ever() -> None:
    """Each revision is an event; the same again is none and is always welcome."""
    response: Response | None = None
    for number in range(surveys.MAX_REVISIONS):
        response = send(response, number % 2)
    last = (surveys.MAX_REVISIONS - 1) % 2
    with pytest.raises(AnsweredError, match="the last one stands"):
        send(response, 1 - last)
    assert send(response, last) is response


def test_a_link_ends_when_its_time_is_over() -> None:
    invitation = Invitation("ws", uuid4(), uuid4(), 1, Contact(user_id="u"), NOON, Kind.NPS, "Why?")
    surveys.require_open(invitation, NOON - timedelta(microseconds=1))
    with pytest.raises(GoneError) as refused:
        surveys.require_open(invitation, NOON)
    assert refused.value.status == 410


def test_an_archived_survey_says_which_it_is_and_what_to_do() -> None:
    refused = ArchivedError(NEW_ID)
    assert (refused.status, refused.code, refused.details) == (409, "archived", {"id": str(NEW_ID)})
    assert str(NEW_ID) in refused.message
    assert "Create another" in refused.message


def test_who_may_not_be_asked_is_told_with_what_would_lift_it() -> None:
    refused = RestrictedError()
    assert (refused.status, refused.code) == (409, "restricted")
    assert "may only be kept" in refused.message
    assert "rapport privacy restraint list" in refused.message


def test_who_is_asked_how_is_told_with_the_other_way() -> None:
    assert (AnonymousError().code, NotAnonymousError().code) == ("anonymous", "not_anonymous")
    assert "/links" in AnonymousError().message
    assert "/invitations" in NotAnonymousError().message
