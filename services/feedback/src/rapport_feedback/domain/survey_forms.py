"""A survey as data: pages of questions, what follows what, texts by language, limits."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from rapport_feedback.domain import survey_conditions as conditions
from rapport_feedback.domain.questions import (
    Ces,
    Csat,
    Id,
    Nps,
    Question,
    Rating,
    Scale,
    Scored,
    Shape,
    Tag,
    Text,
    Texts,
    kind_of,
    texts_of,
)
from rapport_feedback.domain.survey_conditions import Condition

MAX_PAGES, MAX_QUESTIONS, MAX_QUOTAS = 30, 60, 20
END, SCREENED = "end", "screened"
"""Where a page may lead beside other pages: thanks, or thanks to who is not asked further."""

Trait = Literal["name", "first_name", "last_name", "company", "city", "plan"]
TRAITS = get_args(Trait)
"""What of a person texts may say; given with the invitation, never looked up."""

Dimension = Literal["product", "channel", "store", "agent", "segment"]
DIMENSIONS = get_args(Dimension)
"""By what scores are told apart; given with the invitation or link, frozen with the answer."""

MAX_DIMENSION = 100
MAIN_REASON = "What is the main reason?"
"""What a question by itself is followed by; in the languages of our pages."""

NONE = "none"
"""The kind of a survey that has no question with a score."""

CONDITION = Annotated[
    dict[str, Any],
    Meta(
        description="On answers so far: {answer, op, value}, or and, or, not of such.",
        examples=[{"answer": "score", "op": "lte", "value": 6}],
    ),
]


class Rule(Shape, rename={"when": "if"}, kw_only=True, frozen=True):
    """Where it goes on after a page: to a later page, `end` or `screened`."""

    to: Id
    when: CONDITION | None = None


class PageOf(Shape, kw_only=True, frozen=True):
    """Questions that are asked together, and what follows; without rules the next page."""

    id: Id
    questions: Annotated[list[Question], Meta(min_length=1, max_length=20)]
    title: Texts | None = None
    next: Annotated[list[Rule], Meta(max_length=20)] = msgspec.field(default_factory=list)


class Quota(Shape, rename={"when": "if"}, kw_only=True, frozen=True):
    """How many finished answers are wanted, of all or of those that are such."""

    id: Id
    limit: Annotated[int, Meta(ge=1, le=100_000_000)]
    per: Literal["survey", "wave"] = "survey"
    when: CONDITION | None = None


class Ends(Shape, frozen=True):
    """What is said at the end, instead of our words."""

    thanks: Texts | None = None
    screened: Texts | None = None
    full: Texts | None = None


class Theme(Shape, frozen=True):
    """Looks other than the brand's; what stands on the colour is black or white."""

    color: Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$(?!\n)")] | None = None


class Form(Shape, dict=True, kw_only=True, frozen=True):
    """What a version of a survey asks."""

    pages: Annotated[list[PageOf], Meta(min_length=1, max_length=MAX_PAGES)]
    languages: Annotated[list[Tag], Meta(min_length=1, max_length=20)] = msgspec.field(
        default_factory=lambda: ["en"]
    )
    layout: Literal["pages", "all", "press"] = "pages"
    traits: Annotated[list[Trait], Meta(max_length=10)] = msgspec.field(default_factory=list)
    quotas: Annotated[list[Quota], Meta(max_length=MAX_QUOTAS)] = msgspec.field(
        default_factory=list
    )
    ends: Ends = Ends()
    theme: Theme = Theme()
    anonymous: bool = False

    @cached_property
    def questions(self) -> dict[str, Question]:
        """All questions by id, in their order."""
        return {one.id: one for page in self.pages for one in page.questions}

    @property
    def lead(self) -> Scored | None:
        """The question whose score is the survey's: the first that has one."""
        return next((one for one in self.questions.values() if isinstance(one, Scale)), None)

    @property
    def kind(self) -> str:
        """What the survey measures: the kind of its leading question, or `none`."""
        return NONE if self.lead is None else kind_of(self.lead)

    @property
    def comment(self) -> Text | None:
        """The question for words that the event repeats as its comment."""
        found = self.questions.get("comment")
        return found if isinstance(found, Text) else None

    def page(self, page_id: str) -> PageOf | None:
        """A page by its id."""
        return next((one for one in self.pages if one.id == page_id), None)

    def condition(self, document: Mapping[str, Any] | None) -> Condition | None:
        """A condition of this form, which has been checked."""
        return None if document is None else conditions.read(document, self.questions)


def texts_in(form: Form) -> Iterator[tuple[str, Texts]]:
    """(path, words) of all that people read, in the order in which they do."""
    for at, page in enumerate(form.pages):
        if page.title is not None:
            yield f"pages[{at}].title", page.title
        for place, question in enumerate(page.questions):
            for below, words in texts_of(question):
                yield f"pages[{at}].questions[{place}].{below}", words
    for name in ("thanks", "screened", "full"):
        words = getattr(form.ends, name)
        if words is not None:
            yield f"ends.{name}", words


_LEADS: Mapping[str, type[Scored]] = {"nps": Nps, "csat": Csat, "ces": Ces, "rating": Rating}


def simple(question: str, kind: str = "nps") -> Form:
    """One question with a score that is pressed, and a comment: what a survey is by itself."""
    lead = _LEADS.get(kind, Nps)(id="score", text=question, required=True)
    comment = Text(id="comment", text=MAIN_REASON)
    return Form(
        pages=[PageOf(id="score", questions=[lead]), PageOf(id="why", questions=[comment])],
        layout="press",
    )


def to_document(form: Form) -> dict[str, Any]:
    """As it is kept and shown: JSON, without what is as by default."""
    found: dict[str, Any] = msgspec.to_builtins(form)
    return found


def of_document(document: Mapping[str, Any]) -> Form:
    """A form that was kept; ValidationError, a ValueError, for what has not the shape of one."""
    return msgspec.convert(document, Form)
