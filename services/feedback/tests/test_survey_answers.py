"""What becomes of an answer page by page: where it stands, what may change, what is dropped."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.errors import InvalidRequestError
from rapport_common.testing.examples import examples
from rapport_feedback.domain import own_events, surveys
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.survey_checks import read_form
from rapport_feedback.domain.survey_texts import typed
from rapport_feedback.domain.surveys import AnsweredError, Invitation, Kind, Response, Sent, State

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = UUID(int=1)
LOW = {"if": {"answer": "score", "op": "lte", "value": 6}, "to": "why"}
FORM = read_form(
    {
        "pages": [
            {
                "id": "likely",
                "questions": [{"kind": "nps", "id": "score", "text": "?"}],
                "next": [
                    {"if": {"answer": "score", "op": "eq", "value": 0}, "to": "screened"},
                    LOW,
                    {"to": "more"},
                ],
            },
            {"id": "why", "questions": [{"kind": "text", "id": "comment", "text": "?"}]},
            {"id": "more", "questions": [{"kind": "text", "id": "more", "text": "?"}]},
        ]
    }
)


def send(
    before: Response | None, page: str, after: timedelta = timedelta(0), **answers: Any
) -> Response:
    """A press on a page."""
    pages = tuple(one for one in FORM.pages if one.id == page)
    return surveys.answer(
        FORM,
        before,
        Sent(pages, answers),
        new_id=ONE,
        version=1,
        now=NOON + after,
        grace=HOUR,
    )


def test_an_answer_is_open_until_its_last_page() -> None:
    first = send(None, "likely", score=3)
    assert (first.state, first.done, first.finished_at) == (State.OPEN, ("likely",), None)
    second = send(first, "why", HOUR * 100, comment="slow")
    last = send(second, "more", HOUR * 200)
    assert (last.state, last.revision, last.finished_at) == (State.COMPLETE, 3, NOON + HOUR * 200)
    assert last.answers == {"score": 3, "comment": "slow"}


def test_what_is_finished_may_be_changed_for_a_while_and_added_to_afterwards() -> None:
    last = send(send(None, "likely", score=9), "more", HOUR * 50)
    assert send(last, "likely", HOUR * 51, score=10).answers == {"score": 10}
    with pytest.raises(AnsweredError):
        send(last, "likely", HOUR * 52, score=10)
    assert send(last, "more", HOUR * 52, more="words").answers == {"score": 9, "more": "words"}
    assert send(last, "likely", HOUR * 52, score=9) is last


def test_on_another_way_what_was_said_on_the_first_is_dropped() -> None:
    answered = send(send(None, "likely", score=3), "why", comment="slow")
    other = send(answered, "likely", score=9)
    assert (other.answers, other.done, other.state) == ({"score": 9}, ("likely",), State.OPEN)
    assert send(other, "why", comment="slow") is other, "a page of another tab"


def test_a_page_that_is_not_asked_is_not_taken() -> None:
    with pytest.raises(InvalidRequestError, match="not asked yet"):
        send(None, "more", more="x")
    first = send(None, "likely", score=3)
    assert send(first, "more", more="x") is first


def test_who_is_not_asked_further_stays_so() -> None:
    screened = send(None, "likely", score=0)
    assert (screened.state, screened.finished_at) == (State.SCREENED, NOON)
    assert send(screened, "likely", score=9) is screened


def test_a_page_that_was_added_is_no_change_of_an_answer() -> None:
    texts = [{"kind": "text", "id": f"t{number}", "text": "?"} for number in range(25)]
    form = read_form({"pages": [{"id": f"p{one['id']}", "questions": [one]} for one in texts]})
    response: Response | None = None
    for number, page in enumerate((*form.pages[:22], form.pages[20])):
        sent = Sent((page,), {page.questions[0].id: f"{number}"})
        response = surveys.answer(form, response, sent, new_id=ONE, version=1, now=NOON, grace=HOUR)
    assert response is not None
    assert response.answers["t20"] == "22"


PRESSES = st.tuples(st.sampled_from(["likely", "why", "more"]), st.integers(0, 10))


@given(st.lists(PRESSES, max_size=12))
@settings(max_examples=examples(60))
def test_whatever_is_pressed_only_what_was_asked_is_answered(
    presses: list[tuple[str, int]],
) -> None:
    response: Response | None = None
    for page, score in presses:
        answers: dict[str, dict[str, Any]] = {
            "likely": {"score": score},
            "why": {"comment": str(score)},
            "more": {"more": "x"},
        }
        try:
            after = send(response, page, **answers[page])
        except InvalidRequestError:
            assert response is None
            continue
        assert after is response or after.revision == (response.revision + 1 if response else 1)
        response = after
        if "comment" in response.answers:
            assert response.answers["score"] <= 6
        assert send(response, page, **answers[page]).answers == response.answers


def test_an_event_tells_what_was_answered_and_so_many_words() -> None:
    kinds = [{"kind": "text", "id": f"t{number}", "text": "?"} for number in range(12)]
    form = read_form({"pages": [{"id": "a", "questions": kinds}]})
    response = Response(ONE, {f"t{number}": "x" * 4000 for number in range(1, 12)}, 1, NOON, NOON)
    invitation = Invitation(
        "w", ONE, ONE, 1, Contact("u"), NOON, Kind.NONE, "?", context={"store": "7"}
    )
    event = own_events.answered(form, invitation, response)
    assert event is not None
    told = msgspec.json.decode(event.properties)
    assert "score" not in told
    assert (told["kind"], told["comment"], told["context"]) == ("none", "", {"store": "7"})
    assert [len(one["value"]) for one in told["answers"]] == [1000] * 8 + [0] * 3
    assert all(one["cut"] for one in told["answers"])
    assert len(event.properties) < 10_000
    assert typed(form)[:2] == ["t0", "t1"]
