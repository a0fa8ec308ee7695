"""What a page's fields say of each kind of question, and what is told of those that won't do."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain.question_fields import AnswerError, is_said, plain, read
from rapport_feedback.domain.questions import Question, keys_of, score_of

OPTIONS = [
    {"id": "shop", "text": "Shop"},
    {"id": "web", "text": "Web"},
    {"id": "else", "text": "Elsewhere", "other": True},
]
KINDS: dict[str, dict[str, Any]] = {
    "nps": {},
    "csat": {},
    "ces": {},
    "rating": {"to": 10},
    "choice": {"options": OPTIONS},
    "multiple": {"options": OPTIONS, "at_least": 2, "at_most": 2},
    "matrix": {
        "rows": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}],
        "options": OPTIONS[:2],
    },
    "text": {"longest": 10},
    "date": {"since": "2026-01-01", "until": "2026-12-31"},
    "consent": {},
}


def question(kind: str, **more: Any) -> Question:
    document = {"kind": kind, "id": "q", "text": "?", **KINDS[kind], **more}
    made: Question = msgspec.convert(document, Question)
    return made


@pytest.mark.parametrize(
    ("kind", "fields", "answer"),
    [
        ("nps", {"q": ["0"]}, {"q": 0}),
        ("csat", {"q": ["1", "5"]}, {"q": 5}),
        ("ces", {"q": ["7"]}, {"q": 7}),
        ("rating", {"q": ["10"]}, {"q": 10}),
        ("choice", {"q": ["web"], "q.other": ["x"]}, {"q": "web"}),
        (
            "choice",
            {"q": ["else"], "q.other": [" a market "]},
            {"q": "else", "q.other": "a market"},
        ),
        ("multiple", {"q": ["web", "shop", "web"]}, {"q": ["shop", "web"]}),
        ("matrix", {"q.a": ["web"]}, {"q": {"a": "web"}}),
        ("text", {"q": ["a\r\nb "]}, {"q": "a\nb"}),
        ("date", {"q": ["2026-02-28"]}, {"q": "2026-02-28"}),
        ("consent", {"q": ["yes"]}, {"q": True}),
    ],
)
def test_what_is_said_is_kept(
    kind: str, fields: dict[str, Sequence[str]], answer: dict[str, Any]
) -> None:
    asked = question(kind)
    assert read(asked, fields) == answer
    assert set(answer) <= set(keys_of(asked))
    assert is_said(asked, fields)
    assert not is_said(asked, {"q2": ["1"]})


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("nps", {"q": ["11"]}, "0 to 10"),
        ("nps", {"q": ["٣"]}, "0 to 10"),
        ("csat", {"q": ["0"]}, "1 to 5"),
        ("ces", {"q": ["1.0"]}, "1 to 7"),
        ("choice", {"q": ["nowhere"]}, "listed"),
        ("multiple", {"q": ["shop"]}, "at least 2"),
        ("multiple", {"q": ["shop", "web", "else"]}, "at most 2"),
        ("multiple", {"q": ["moon"]}, "listed"),
        ("matrix", {"q.a": ["else"]}, "listed"),
        ("text", {"q": ["x" * 11]}, "10 characters"),
        ("text", {"q": ["x" * 1_000_000]}, "10 characters"),
        ("text", {"q": ["a\0b"]}, "can't be kept"),
        ("choice", {"q": ["else"], "q.other": ["x" * 201]}, "200 characters"),
        ("date", {"q": ["2026-02-30"]}, "enter a day"),
        ("date", {"q": ["2025-12-31"]}, "from 2026-01-01"),
        ("date", {"q": ["2027-01-01"]}, "up to 2026-12-31"),
    ],
)
def test_what_is_no_answer_is_told(kind: str, fields: dict[str, list[str]], told: str) -> None:
    with pytest.raises(AnswerError, match=told):
        read(question(kind), fields)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_an_answer_unless_it_is_required(kind: str) -> None:
    assert read(question(kind), {"q": ["", " "]}) == {}
    with pytest.raises(AnswerError):
        read(question(kind, required=True), {})


def test_a_required_matrix_has_each_row_and_one_line_has_no_ends() -> None:
    with pytest.raises(AnswerError, match="each row"):
        read(question("matrix", required=True), {"q.a": ["web"]})
    assert read(question("text", lines=False), {"q": ["a\nb"]}) == {"q": "a b"}


@pytest.mark.parametrize(
    "unseen", ["\u200b", "\u200d\u2060", "\u202e\u2066", "\u00ad \ufeff", "\u3164"]
)
def test_words_of_which_nothing_is_seen_are_none(unseen: str) -> None:
    assert plain(unseen) == ""
    assert plain(f"a{unseen}b").replace(unseen, "") in {"ab", f"a{unseen}b"}


@given(st.text())
@settings(max_examples=examples(100))
def test_no_words_turn_what_stands_beside_them(text: str) -> None:
    kept = plain(text)
    assert not set(kept) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\r")
    assert plain(kept) == kept


def test_only_a_scale_has_a_score() -> None:
    assert score_of(question("ces"), {"q": 4}) == 4
    assert score_of(question("ces"), {}) is None
    assert score_of(question("text"), {"q": 4}) is None
