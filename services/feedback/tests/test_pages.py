"""The pages are safe with any text, usable on a phone, and fetch nothing."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from rapport_common.pages.brand import Brand, contrast
from rapport_common.pages.language import LANGUAGES, tag
from rapport_feedback import pages
from rapport_feedback.domain.question_fields import CHOOSE, AnswerError
from rapport_feedback.domain.survey_checks import MAX_PAGE_BYTES, read_form, weight
from rapport_feedback.domain.survey_forms import of_document, simple, to_document
from rapport_feedback.domain.surveys import Response
from rapport_feedback.pages import Sheet

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
BRAND = Brand("Müller & Co", "#ffcc00", website="https://shop.example")
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
    answers = {"score": score, **({"comment": comment} if comment else {})}
    return Response(UUID(int=1), answers, 1, NOON, NOON, finished_at=NOON)


def survey_html(
    question: str = "How likely?",
    answered: Response | None = None,
    *,
    changeable: bool = True,
    language: str = "en",
) -> str:
    sheet = Sheet("token", simple(question), response=answered, changeable=changeable)
    return pages.survey(sheet, language=language, brand=BRAND).html


def survey_page(answered: Response | None = None, *, changeable: bool = True) -> Elements:
    return Elements(survey_html(answered=answered, changeable=changeable))


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
    fields = [one for one in page.all("input") if one.get("type") != "hidden"]
    assert {one["id"] for one in page.all("textarea") + fields} == labelled


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_fits_a_phone_fetches_nothing_and_says_its_language(language: str) -> None:
    for page in (
        survey_html(answered=response(), language=language),
        pages.case_taken("token", 7, NOON.date(), language=language, brand=BRAND).html,
        pages.problem(404, "What to do", language=language).html,
    ):
        elements = Elements(page)
        wide = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
        assert wide in elements.all("meta")
        assert elements.all("html")[0]["lang"] == tag(language)
        assert not re.search(r"\b(src|srcset|onclick|style)=|url\(|@import|<script", page)
        assert {one["href"] for one in elements.all("a")} <= {BRAND.website, "../token"}


def test_who_asks_and_the_way_on_are_on_the_page() -> None:
    taken = Elements(pages.case_taken("token", 7, NOON.date(), language="de", brand=BRAND).html)
    assert BRAND.name in taken.text
    assert "16. Januar 2026" in taken.text
    assert [one["href"] for one in taken.all("a")] == ["../token", BRAND.website]


def test_what_people_type_runs_in_its_own_direction() -> None:
    page = survey_page(response())
    fields = [one for one in page.all("input") if one.get("type") != "hidden"]
    typed = [*page.all("textarea"), *fields, *page.all("span")[1:2]]
    assert {one["dir"] for one in typed} == {"auto"}


@given(st.text() | st.just(NASTY))
def test_no_text_becomes_markup(text: str) -> None:
    plain = Elements(survey_html("q", response(comment="c")))
    page = Elements(survey_html(text, response(comment=text or "c")))
    assert page.found == plain.found
    told = Elements(pages.problem(422, text, language="en").html)
    assert [one for one, _ in told.found].count("script") == 0


CHOICE = [{"id": f"o{number}", "text": "x" * 60} for number in range(100)]
HEAVY: list[dict[str, Any]] = [
    {"kind": "choice", "id": "c", "text": "?" * 900, "options": CHOICE, "required": True},
    {
        "kind": "matrix",
        "id": "m",
        "text": "?",
        "rows": [{"id": f"r{number}", "text": "x" * 50} for number in range(4)],
        "options": [{"id": f"o{number}", "text": "x"} for number in range(5)],
    },
    *({"kind": "text", "id": f"t{number}", "text": "?", "help": "?"} for number in range(3)),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_largest_page_that_is_taken_is_below_50_kilobytes(language: str) -> None:
    form = read_form({"pages": [{"id": "a", "questions": HEAVY}], "languages": [tag(language)]})
    assert weight(form, form.pages[0]) > 0.9 * MAX_PAGE_BYTES
    sheet = Sheet("x" * 44, form, pages=tuple(form.pages), before="a", key="x" * 44)
    wrong = {question: AnswerError(CHOOSE) for question in form.questions}
    page = pages.survey(replace(sheet, wrong=wrong), language=language, brand=BRAND)
    assert 30_000 < len(page.html.encode()) < 50_000


def test_a_form_may_have_a_colour_of_its_own_on_which_words_can_be_read() -> None:
    document = {"pages": [{"id": "a", "questions": [{"kind": "text", "id": "t", "text": "?"}]}]}
    for color in ("#FFFFFF", "#777777", "#0b6e4f", "#000000"):
        form = read_form({**document, "theme": {"color": color}})
        html = pages.survey(Sheet("t", form, pages=tuple(form.pages)), language="en").html
        found = re.search(r"--brand:(#\w{6});--on-brand:(#\w{6})", html)
        assert found
        assert found[1] == color.lower()
        assert contrast(found[1], found[2]) >= 4.5


@given(st.text(min_size=1, max_size=200).filter(str.strip))
def test_no_words_of_a_form_or_an_answer_become_markup(text: str) -> None:
    words = text.replace("{", "(").replace("}", ")").replace("%", "°")
    questions = [
        {"kind": "text", "id": "t", "text": words, "help": words},
        {
            "kind": "choice",
            "id": "c",
            "text": words,
            "options": [{"id": o, "text": words} for o in "ab"],
        },
    ]
    form = of_document({"pages": [{"id": "a", "title": words, "questions": questions}]})
    answered = Response(UUID(int=1), {"t": text}, 1, NOON, NOON)
    sheet = Sheet("t", form, pages=tuple(form.pages), response=answered, typed={"t": [text]})
    plain = of_document(
        msgspec.json.decode(
            msgspec.json.encode(to_document(form)).replace(msgspec.json.encode(words), b'"q"')
        )
    )
    shown = Elements(pages.survey(sheet, language="en", brand=BRAND).html)
    expected = Elements(
        pages.survey(
            replace(sheet, form=plain, pages=tuple(plain.pages), typed={"t": ["q"]}),
            language="en",
            brand=BRAND,
        ).html
    )
    assert [name for name, _ in shown.found] == [name for name, _ in expected.found]
