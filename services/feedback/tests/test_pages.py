"""The pages are safe with any text, usable on a phone, and fetch nothing."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from rapport_feedback import pages
from rapport_feedback.domain.surveys import Response

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
NASTY = "<script>alert(1)</script>\"'&</textarea>"


class Elements(HTMLParser):
    """The elements of a page as a browser sees them, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    @override
    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def response(score: int = 3, comment: str = "") -> Response:
    return Response(UUID(int=1), score, comment, 1, NOON, NOON)


def survey_page(answered: Response | None = None, *, changeable: bool = True) -> Elements:
    return Elements(pages.survey("token", "How likely?", answered, changeable=changeable))


def test_a_button_for_each_score_and_nothing_else_before_the_answer() -> None:
    page = survey_page()
    assert [one["value"] for one in page.all("button")] == [str(score) for score in range(11)]
    assert all(one["aria-label"] for one in page.all("button"))
    assert [one["method"] for one in page.all("form")] == ["post"]
    assert not page.all("textarea")


def test_after_the_answer_there_is_a_comment_and_a_complaint() -> None:
    page = survey_page(response(score=3))
    assert "Your answer: 3" in page.text
    pressed = [one["value"] for one in page.all("button") if one.get("aria-pressed")]
    assert pressed == ["3"]
    assert [one["name"] for one in page.all("textarea")] == ["comment", "body"]
    assert page.all("form")[-1]["action"] == "token/complaint"


def test_when_the_answer_stands_the_scale_is_gone() -> None:
    page = survey_page(response(comment="done"), changeable=False)
    assert not [one for one in page.all("button") if one.get("name") == "score"]
    assert [one["name"] for one in page.all("textarea")] == ["body"]


def test_the_first_comment_is_still_asked_for() -> None:
    page = survey_page(response(), changeable=False)
    assert [one["name"] for one in page.all("textarea")] == ["comment", "body"]


def test_each_field_has_a_label() -> None:
    page = survey_page(response())
    labelled = {one["for"] for one in page.all("label")}
    assert {one["id"] for one in page.all("textarea") + page.all("input")} == labelled


@pytest.mark.parametrize(
    "page",
    [
        pages.survey("t", "How likely?", response(), changeable=True),
        pages.case_taken(7, "3 March 2026"),
        pages.problem("Title", "What to do"),
    ],
)
def test_a_page_fits_a_phone_and_fetches_nothing(page: str) -> None:
    elements = Elements(page)
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in elements.all(
        "meta"
    )
    assert not re.search(r"\b(src|href|srcset|onclick|style)=|url\(|@import|<script|://", page)


def test_the_policy_allows_the_one_style_and_nothing_else() -> None:
    page = pages.problem("Title", "What to do")
    style = re.search(r"<style>(.*)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = pages.HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


@given(st.text() | st.just(NASTY))
def test_no_text_becomes_markup(text: str) -> None:
    plain = Elements(pages.survey("t", "q", response(comment="c"), changeable=True))
    page = Elements(pages.survey("t", text, response(comment=text), changeable=True))
    assert page.found == plain.found
    told = Elements(pages.problem(text, text))
    assert [tag for tag, _ in told.found].count("script") == 0
    assert [tag for tag, _ in told.found] == [
        tag for tag, _ in Elements(pages.problem("a", "b")).found
    ]
