"""Forms: what may be asked, and where each mistake is."""

import random
from typing import Any

import pytest

from rapport_common.errors import InvalidRequestError
from rapport_feedback.domain.survey_checks import read_form
from rapport_feedback.domain.survey_forms import Form, of_document, simple, to_document
from rapport_feedback.domain.survey_paths import follows, walk
from rapport_feedback.domain.survey_texts import Reader, missing

NPS = {"kind": "nps", "id": "score", "text": "How likely?"}
TEXT = {"kind": "text", "id": "why", "text": "Why?"}
OPTIONS = [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]
MATRIX = {
    "kind": "matrix",
    "id": "m",
    "text": "?",
    "rows": [{"id": "r", "text": "R"}],
    "options": OPTIONS,
}
LOW = {"answer": "score", "op": "lte", "value": 6}


def page(page_id: str, *questions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": page_id, "questions": list(questions), **more}


def text(question_id: str, words: Any = "?") -> dict[str, Any]:
    return {"kind": "text", "id": question_id, "text": words}


def choice(**more: Any) -> dict[str, Any]:
    return {"kind": "choice", "id": "c", "text": "?", "options": OPTIONS, **more}


def form(*pages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"pages": list(pages), **more}


def problems(document: dict[str, Any], before: Form | None = None) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as refused:
        read_form(document, before)
    return {one["path"]: one["message"] for one in refused.value.details["problems"]}


FIRST = page("one", NPS, next=[{"if": LOW, "to": "low"}, {"to": "end"}])
BRANCHED = form(FIRST, page("low", TEXT), page("more", text("x")))


@pytest.mark.parametrize("kind", ["nps", "csat", "ces", "rating"])
def test_a_survey_that_is_one_question_is_a_form(kind: str) -> None:
    made = simple("How was it?", kind)
    assert read_form(to_document(made)) == made == of_document(to_document(made))
    assert (made.kind, made.layout) == (kind, "press")


def test_a_form_is_read_as_it_is_told() -> None:
    read = read_form(BRANCHED)
    assert read_form(to_document(read)) == read
    assert (read.kind, read.lead and read.lead.id, read.comment) == ("nps", "score", None)
    assert read_form(form(page("a", TEXT))).kind == "none"


@pytest.mark.parametrize(
    ("document", "path", "told"),
    [
        (form(), "form.pages", "length"),
        (
            form(page("a", {"kind": "file", "id": "f", "text": "?"})),
            "pages[0].questions[0].kind",
            "",
        ),
        (form(page("a", TEXT, TEXT)), "pages[0].questions[1].id", "twice"),
        (form(page("a", text("x\n"))), "questions[0].id", "regex"),
        (form(page("a", TEXT), languages=["en\n"]), "languages[0]", "regex"),
        (form(page("a", TEXT), theme={"color": "#123456\n"}), "theme.color", "regex"),
        (form(page("a", {**text("d"), "kind": "date", "since": "2026-02-01\n"})), "since", ""),
        (form(page("end", TEXT)), "pages[0].id", "end"),
        (form(page("a", TEXT), page("a", text("x"))), "pages[1].id", "twice"),
        (form(page("a", choice(options=OPTIONS * 2))), "questions[0].options[2].id", "twice"),
        (form(page("a", choice(options=OPTIONS * 5000))), "questions[0].options", "length"),
        (
            form(page("a", choice(options=[{**one, "other": True} for one in OPTIONS]))),
            "[1].other",
            "",
        ),
        (form(page("a", {**choice(), "kind": "multiple", "at_least": 3})), "at_least", "more than"),
        (form(page("a", {**text("d"), "kind": "date", "since": "2026-02-31"})), "since", "no day"),
        (form(page("a", text("x", {"fr": "?"}))), "text.fr", "does not name"),
        (form(page("a", text("x", " "))), "text", "empty"),
        (form(page("a", text("x", "{{ user }}"))), "text", "other than"),
        (form(page("a", text("x", "{{ trait.name }}"))), "text", "does not list"),
        (form(page("a", text("x", "{{ answer.x }}"))), "text", "no page before"),
        (form(page("a", TEXT, next=[{"to": "a"}])), "next[0].to", "loop"),
        (form(page("a", TEXT), page("b", text("x"), next=[{"to": "a"}])), "next[0].to", "loop"),
        (form(page("a", TEXT, next=[{"to": "z"}])), "next[0].to", "no page"),
        (
            form(page("a", TEXT, next=[{"to": "end"}]), page("b", text("x"))),
            "pages[1]",
            "not reached",
        ),
        (
            form(page("a", NPS, next=[{"to": "end"}, {"if": LOW, "to": "end"}])),
            "next[1]",
            "not reached",
        ),
        (
            form(page("a", NPS), layout="all", quotas=[]) | {"pages": [FIRST]},
            "pages[0].next",
            "layout",
        ),
        (form(page("a", TEXT), layout="press"), "pages[0].questions", "score"),
        (form(page("a", TEXT, text("z\0"))), "questions[1].id", "kept"),
        (form(page("a", text("x", "\ud800"))), "text", "kept"),
        (form(page("a", TEXT), theme={"color": "red"}), "theme.color", ""),
        (form(page("a", TEXT), colour=1), "form", "colour"),
        (
            form(
                *(page(f"p{at}", *(text(f"q{at}_{one}") for one in range(20))) for at in range(4))
            ),
            "form.pages",
            "60 are the most",
        ),
        (form(page("a", NPS), page("b", choice()), layout="press"), "pages[1]", "texts"),
        (
            form(page("a", {**MATRIX, "options": [{**OPTIONS[0], "other": True}, OPTIONS[1]]})),
            "options[0].other",
            "choice and multiple",
        ),
        (
            form(
                page(
                    "a", {**text("d"), "kind": "date", "since": "2026-02-01", "until": "2026-01-01"}
                )
            ),
            "until",
            "before since",
        ),
        (
            form(page("a", NPS), page("b", text("x", "{{ answer.score }}")), layout="all"),
            "text",
            "on one page",
        ),
        (
            form(
                page("a", NPS),
                quotas=[{"id": "q", "limit": 1, "if": {"answer": "x", "op": "exists"}}],
            ),
            "quotas[0].if.answer",
            "no question",
        ),
        (form(page("a", NPS), ends={"thanks": {"fr": "Merci"}}), "ends.thanks.fr", "does not name"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    document: dict[str, Any], path: str, told: str
) -> None:
    found = problems(document)
    assert any(place.endswith(path) and told in message for place, message in found.items()), found


@pytest.mark.parametrize(
    ("condition", "path", "told"),
    [
        ({"answer": "later", "op": "exists"}, "answer", "no question asked before"),
        ({"answer": "score", "op": "contains", "value": 1}, "op", "must be one of"),
        ({"answer": "score", "op": "eq", "value": 11}, "value", "0 to 10"),
        ({"answer": "score", "op": "eq", "value": True}, "value", "0 to 10"),
        ({"answer": "score", "op": "exists", "value": 1}, "value", "takes no"),
        ({"answer": "score", "op": "in", "value": []}, "value", "list"),
        ({"answer": "score", "op": "eq", "value": 1, "row": "a"}, "row", "matrix"),
        ({"answer": "c", "op": "in", "value": ["a", "z"]}, "value[1]", "must be one of"),
        ({"answer": "score", "op": "eq", "value": 1, "or": []}, "answer", "not known"),
        ({"and": []}, "and", "at least one"),
        ({"and": [LOW] * 60}, "and[49]", "too long"),
        ({"and": [7]}, "and[0]", "object"),
        (
            {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": LOW}}}}}}}},
            "not",
            "deep",
        ),
        (7, "", "object"),
    ],
)
def test_a_condition_that_could_not_be_asked_is_told(condition: Any, path: str, told: str) -> None:
    document = form(
        page("a", NPS, choice(), next=[{"if": condition, "to": "end"}]), page("b", text("later"))
    )
    found = problems(document)
    assert any(path in place and told in message for place, message in found.items()), found


def test_a_condition_that_would_never_end_is_refused() -> None:
    deep: dict[str, Any] = LOW
    for _ in range(2000):
        deep = {"not": deep}
    found = problems(form(page("a", NPS, next=[{"if": deep, "to": "end"}])))
    assert any("too deep" in message for message in found.values())


@pytest.mark.parametrize(
    ("condition", "score", "expected"),
    [
        (LOW, 6, True),
        (LOW, 7, False),
        (LOW, None, False),
        ({"not": LOW}, None, True),
        ({"answer": "score", "op": "missing"}, None, True),
        ({"answer": "score", "op": "in", "value": [1, 2]}, 2, True),
        ({"and": [LOW, {"answer": "score", "op": "ne", "value": 0}]}, 0, False),
        ({"or": [LOW, {"answer": "score", "op": "eq", "value": 10}]}, 10, True),
    ],
)
def test_a_page_follows_by_the_answers(condition: Any, score: int | None, expected: bool) -> None:  # noqa: FBT001 - a table
    read = read_form(form(page("a", NPS, next=[{"if": condition, "to": "end"}]), page("b", TEXT)))
    answers = {} if score is None else {"score": score}
    assert (follows(read, read.pages[0], answers) == "end") is expected


EACH = [
    choice(),
    {**choice(), "kind": "multiple", "id": "many"},
    MATRIX,
    {"kind": "date", "id": "day", "text": "?"},
    {"kind": "consent", "id": "ok", "text": "?"},
]
GIVEN = {"c": "a", "many": ["a"], "m": {"r": "b"}, "day": "2026-01-31", "ok": True}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"answer": "c", "op": "in", "value": ["a"]}, True),
        ({"answer": "many", "op": "contains", "value": "b"}, False),
        ({"answer": "m", "row": "r", "op": "eq", "value": "b"}, True),
        ({"answer": "m", "row": "r", "op": "missing"}, False),
        ({"answer": "day", "op": "lt", "value": "2026-02-01"}, True),
        ({"answer": "ok", "op": "exists"}, True),
    ],
)
def test_each_kind_is_asked_about_in_its_way(condition: Any, expected: bool) -> None:  # noqa: FBT001 - a table
    read = read_form(form(page("a", *EACH, next=[{"if": condition, "to": "end"}]), page("b", TEXT)))
    assert (follows(read, read.pages[0], GIVEN) == "end") is expected
    assert follows(read, read.pages[0], {"m": "no matrix"}) == "b" or "missing" in str(condition)


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"answer": "m", "op": "exists"}, "row"),
        ({"answer": "day", "op": "gt", "value": "soon"}, "value"),
        ({"answer": "ok", "op": "eq", "value": True}, "op"),
    ],
)
def test_what_a_kind_can_not_be_asked_is_told(condition: Any, path: str) -> None:
    document = form(page("a", *EACH, next=[{"if": condition, "to": "end"}]), page("b", TEXT))
    assert f"form.pages[0].next[0].if.{path}" in problems(document)


def test_every_way_through_a_form_ends() -> None:
    """By whatever is answered: forms of chance, ways of chance."""
    chance = random.Random(7)
    for _ in range(100):
        last = chance.randint(1, 8)
        pages = []
        for at in range(last + 1):
            ways = [f"p{to}" for to in range(at + 1, last + 1)] + ["end", "screened"]
            limit = {"answer": f"q{at}", "op": "gt", "value": chance.randint(0, 9)}
            scale = {**NPS, "id": f"q{at}"}
            pages.append(page(f"p{at}", scale, next=[{"if": limit, "to": chance.choice(ways)}]))
        read = read_form(form(*pages))
        done: list[str] = []
        answers: dict[str, int] = {}
        for _ in range(last + 2):
            way = walk(read, answers, done)
            if way.page is None:
                break
            done.append(way.page.id)
            answers[way.page.questions[0].id] = chance.randint(0, 10)
        assert way.end in {"end", "screened"}


def test_words_that_a_language_lacks_are_told_and_fall_back() -> None:
    document = form(
        page("a", {**TEXT, "text": {"en": "Why?", "de": "Warum?"}, "help": "Briefly."}, title="T"),
        languages=["en", "de", "zh-Hans"],
    )
    read = read_form(document)
    at = "pages[0].questions[0]"
    title = "pages[0].title"
    assert missing(read) == {
        "de": [title, f"{at}.help"],
        "zh-Hans": [title, f"{at}.text", f"{at}.help"],
    }
    words = read.questions["why"].text
    said = {tag: Reader(read, [tag], {}, {}).says(words).text for tag in ("de-AT", "zh", "fr", "")}
    assert said == {"de-AT": "Warum?", "zh": "Why?", "fr": "Why?", "": "Why?"}


def test_what_was_answered_and_a_name_are_put_into_words() -> None:
    document = form(
        page("a", NPS, choice(options=[{"id": "a", "text": {"en": "A", "de": "Ä"}}, OPTIONS[1]])),
        page(
            "b",
            text(
                "x", {"en": "{{ trait.name | default: 'you' }}: {{answer.score}}, {{ answer.c }}"}
            ),
        ),
        languages=["en", "de"],
        traits=["name"],
    )
    read = read_form(document)
    words = read.questions["x"].text
    given = {"score": 3, "c": "a"}
    told = Reader(read, ["de"], given, {"name": "A\u202eda", "city": "Bonn"}).says(words)
    assert told.text == "\u2068Ada\u2069: \u20683\u2069, \u2068Ä\u2069"
    assert Reader(read, [], {}, {}).says(words).text == "\u2068you\u2069: , "


@pytest.mark.parametrize(
    ("document", "path", "told"),
    [
        (form(page("a", {**NPS, "id": "other"})), "pages", "same first question"),
        (form(page("a", NPS, {**TEXT, "kind": "consent"})), "questions[1].id", "another id"),
        (form(page("a", NPS), anonymous=True), "anonymous", "can't be changed"),
        (form(page("a", {**NPS, "kind": "csat"})), "questions[0].id", "another id"),
    ],
)
def test_a_version_is_one_whose_answers_count_together(
    document: dict[str, Any], path: str, told: str
) -> None:
    found = problems(document, read_form(form(page("a", NPS), page("b", TEXT))))
    assert any(place.endswith(path) and told in message for place, message in found.items()), found


def test_a_page_that_would_be_too_large_is_refused() -> None:
    many = [
        {
            "kind": "choice",
            "id": f"c{at}",
            "text": "?",
            "options": [{"id": f"o{one}", "text": "x" * 80} for one in range(100)],
        }
        for at in range(3)
    ]
    found = problems(form(page("a", *many)))
    assert "split it" in found["form.pages[0]"]
