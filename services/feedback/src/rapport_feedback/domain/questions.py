"""What a survey can ask: kinds that are declared, never guessed from the scale of their answers."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from typing_extensions import override

MAX_OPTIONS, MAX_ROWS = 100, 20
MAX_TEXT = 4000
MAX_OTHER = 200

# `$` alone lets a line end pass, and `\Z` is unknown where the JSON Schema is read.
Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$(?!\n)")]
Tag = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$(?!\n)")]
Words = Annotated[str, Meta(min_length=1, max_length=1000)]
Texts = Annotated[dict[Tag, Words], Meta(min_length=1, max_length=20)] | Words
"""Words by language; one text alone is in the first language of the form."""

Value = Any
"""An answer: int of a scale, option, list of options, {row: option}, text, date, yes or no."""


class Shape(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):  # what all parts of a form are: values that are not changed
    pass


class Option(Shape, frozen=True):
    """One of several answers; with `other` there is a field to say which other."""

    id: Id
    text: Texts
    other: bool = False


class Row(Shape, frozen=True):
    """A line of a matrix."""

    id: Id
    text: Texts


class Asked(Shape, tag_field="kind", kw_only=True, frozen=True):
    """What every question has."""

    id: Id
    text: Texts
    help: Texts | None = None
    required: bool = False


class Scale(Asked, kw_only=True, frozen=True):
    """A question that is answered with a number, from `lowest` to `highest`."""

    low: Texts | None = None
    high: Texts | None = None

    @property
    def lowest(self) -> int:
        """The first number."""
        return 1

    @property
    def highest(self) -> int:
        """The last number."""
        return 5


class Nps(Scale, tag="nps", frozen=True):
    """How likely somebody would recommend us: 0 to 10."""

    @property
    @override
    def lowest(self) -> int:
        """Not at all likely."""
        return 0

    @property
    @override
    def highest(self) -> int:
        """Extremely likely."""
        return 10


class Csat(Scale, tag="csat", frozen=True):
    """How satisfied somebody is: 1 to 5."""


class Ces(Scale, tag="ces", frozen=True):
    """How easy something was: 1 to 7. Its score is the mean, or the share of 5 to 7."""

    measured: Literal["mean", "share"] = "mean"

    @property
    @override
    def highest(self) -> int:
        """Very easy."""
        return 7


class Rating(Scale, tag="rating", frozen=True):
    """A number from 1 to `to`; its score is the mean."""

    to: Annotated[int, Meta(ge=3, le=10)] = 5

    @property
    @override
    def highest(self) -> int:
        """The best."""
        return self.to


Options = Annotated[list[Option], Meta(min_length=2, max_length=MAX_OPTIONS)]


class Choice(Asked, tag="choice", kw_only=True, frozen=True):
    """One of several options."""

    options: Options


class Multiple(Asked, tag="multiple", kw_only=True, frozen=True):
    """Several of several options."""

    options: Options
    at_least: Annotated[int, Meta(ge=0, le=MAX_OPTIONS)] = 0
    at_most: Annotated[int, Meta(ge=1, le=MAX_OPTIONS)] = MAX_OPTIONS


class Matrix(Asked, tag="matrix", kw_only=True, frozen=True):
    """One of the same options for each of several rows."""

    rows: Annotated[list[Row], Meta(min_length=1, max_length=MAX_ROWS)]
    options: Annotated[list[Option], Meta(min_length=2, max_length=11)]


class Text(Asked, tag="text", frozen=True):
    """Words of their own."""

    longest: Annotated[int, Meta(ge=1, le=MAX_TEXT)] = MAX_TEXT
    lines: bool = True


class Date(Asked, tag="date", frozen=True):
    """A day, from `since` to `until` (ISO 8601)."""

    since: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")] | None = None
    until: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")] | None = None


class Consent(Asked, tag="consent", frozen=True):
    """A box to tick; required means that it must be ticked."""


Scored = Nps | Csat | Ces | Rating
Question = Nps | Csat | Ces | Rating | Choice | Multiple | Matrix | Text | Date | Consent
Listed = Choice | Multiple | Matrix


def kind_of(question: Asked) -> str:
    """Its declared kind, such as `nps`."""
    return str(type(question).__struct_config__.tag)


def options_of(question: Question) -> tuple[str, ...]:
    """The ids of its options; none where it has none."""
    return tuple(one.id for one in question.options) if isinstance(question, Listed) else ()


def other_of(question: Question) -> str | None:
    """The option beside which people say which other."""
    if not isinstance(question, Choice | Multiple):
        return None
    return next((one.id for one in question.options if one.other), None)


def other_key(question_id: str) -> str:
    """Under which the words beside `other` are kept; no question has such an id."""
    return f"{question_id}.other"


def keys_of(question: Question) -> tuple[str, ...]:
    """Under which its answer is kept."""
    return (question.id, other_key(question.id)) if other_of(question) else (question.id,)


def texts_of(question: Question) -> Iterator[tuple[str, Texts]]:
    """(path below the question, words) of all that people read."""
    yield "text", question.text
    if question.help is not None:
        yield "help", question.help
    if isinstance(question, Scale):
        ends = (("low", question.low), ("high", question.high))
        yield from ((name, words) for name, words in ends if words is not None)
    if isinstance(question, Matrix):
        yield from ((f"rows[{at}].text", row.text) for at, row in enumerate(question.rows))
    if isinstance(question, Listed):
        listed = enumerate(question.options)
        yield from ((f"options[{at}].text", option.text) for at, option in listed)


def score_of(question: Asked, answers: Mapping[str, Value]) -> int | None:
    """The number that was given to a scored question."""
    given = answers.get(question.id)
    return given if isinstance(question, Scale) and isinstance(given, int) else None
