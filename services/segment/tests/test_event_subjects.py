"""What rules ask of events: how each question is called, and which events it looks at."""

from uuid import UUID

import pytest
from services.segment.tests.judging import NOON

from rapport_segment.domain.explaining import reason
from rapport_segment.domain.happenings import NOTHING
from rapport_segment.domain.outlook import View
from rapport_segment.domain.reading import read
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import HAPPENED, IDENTIFIERS, Facts

SURVEY = "01a22947-d1de-7294-96aa-7a623b834ab5"
ANSWERED = "Survey Answered"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('performed("A")', "not performed A"),
        ('count("A", a = 1) >= 2', "count A 0 not >= 2"),
        ('max(total of "A") >= 2', "max total of A missing, wanted >= 2"),
        ('first("A") within last 7d', "first A missing, wanted within last 7d"),
        ('nth(3 of "A") within last 7d', "3. A missing, wanted within last 7d"),
        ('last(size of "A") = 4', "size of last A missing, wanted = 4"),
        ('nth(2 of size of "A") = 4', "size of 2. A missing, wanted = 4"),
        ("answer nps <= 6", "answer nps missing, wanted <= 6"),
        (f'answer nps of "{SURVEY}" <= 6', f"answer nps of {SURVEY} missing, wanted <= 6"),
        ('sequence("A" then "B")', "not sequence A then B"),
        ('sequence("A" then not "B" within 1h)', "not sequence A then no B"),
    ],
)
def test_a_reason_calls_a_question_by_what_it_asks(text: str, words: str) -> None:
    assert reason(parse(read(text)), View(Facts((), happened=NOTHING), NOON)) == words


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('performed("A")', {"A"}),
        ('count("A") >= 2', {"A"}),
        ('max(total of "A") >= 2', {"A"}),
        ('first("A") within last 7d', {"A"}),
        ('nth(2 of size of "A") = 4', {"A"}),
        ("answer nps <= 6", {ANSWERED}),
        ("answer nps within last 7d", {ANSWERED}),
        ('sequence("A" then "B" then not "C" within 1h)', {"A", "B", "C"}),
    ],
)
def test_a_definition_reads_the_events_that_its_rule_asks_of(text: str, names: set[str]) -> None:
    definition = Definition.of(UUID(int=1), 1, "x", parse(read(text)))
    assert {name for place, name in definition.fields if place == HAPPENED} == names
    assert definition.reads & 1 << IDENTIFIERS
