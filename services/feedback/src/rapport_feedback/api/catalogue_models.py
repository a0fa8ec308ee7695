"""The bodies of documents by name: what may come in."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from rapport_common.events.money import CURRENCIES
from rapport_common.operator.texts import storable_text
from rapport_feedback.api.case_models import KnownOfCase
from rapport_feedback.api.models import Line, Note, Request, Word
from rapport_feedback.domain.answers import MOST_SOURCE, TemplateError, require_template
from rapport_feedback.domain.case_fields import Severity
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.connectors import FIELDS

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Language = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"),
    Field(examples=["en"]),
]
Pointer = Annotated[
    str, StringConstraints(pattern=r"^(/[^/\u0000]{1,100}){1,10}$"), Field(examples=["/call/id"])
]
Channel = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


def _template(value: str) -> str:
    try:
        require_template(value)
    except TemplateError as error:
        raise ValueError(str(error)) from error
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        message = "is no currency (ISO 4217), as EUR"
        raise ValueError(message)
    return value


Source = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MOST_SOURCE, strict=True),
    AfterValidator(storable_text),
    AfterValidator(_template),
    Field(examples=["We are sorry, {{ customer.name | default: 'dear customer' }}."]),
]
Currency = Annotated[str, AfterValidator(_currency), Field(examples=["EUR"])]
Money = Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=3)]


class TextBody(Request):
    """An answer in one language; both are Liquid over case, customer, brand, agent, answer_by."""

    subject: Annotated[str, StringConstraints(max_length=500), AfterValidator(_template)] = ""
    text: Source


class TemplateBody(Request):
    """An answer that is written again and again, by language."""

    about: Note = ""
    texts: dict[Language, TextBody] = Field(
        min_length=1, max_length=30, examples=[{"en": {"text": "We are sorry."}}]
    )


class SetBody(Request):
    """The fields of a case that a macro sets."""

    severity: Severity | None = None
    category: Word | None = None
    product: Word | None = None
    tier: Word | None = None
    team: Word | None = None
    owner: Word | None = None


class MacroBody(Request):
    """Changes that are made at once or not at all: fields, a note, an answer, steps."""

    about: Note = ""
    set: SetBody | None = None
    note: Note = ""
    template: RuleName | None = Field(None, description="of the answer that is sent")
    language: Language | None = None
    states: list[State] = Field(default_factory=list, max_length=10)

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.set or self.note or self.template or self.states):
            message = "a macro does something: give set, note, template or states"
            raise ValueError(message)
        return self


class ReasonBody(Request):
    """What a complaint is about, as it is counted."""

    about: Note = ""


class CauseBody(Request):
    """Why complaints come to be, as it is worked on."""

    about: Note = ""


class GoodwillLimitBody(Request):
    """So much may be given, in one currency, by those it names (`*`: by everybody else)."""

    actors: list[Line] = Field(min_length=1, max_length=200, examples=[["*"]])
    currency: Currency
    per_case: Money | None = Field(None, description="by all together")
    per_month: Money | None = Field(None, description="in 30 days, by each")


class ConnectorBody(Request):
    """Where in others' posts is what: JSON Pointers, of which the first that is there counts.

    `trusted`: who it names is taken as known, as a call centre knows its callers. `generation`:
    one more makes another secret.
    """

    channel: Channel = Field(examples=["call_centre"])
    trusted: bool = False
    generation: int = Field(1, ge=1, le=1_000_000)
    mapping: dict[
        Literal[
            "id",
            "message_id",
            "subject",
            "body",
            "email",
            "phone",
            "name",
            "user_id",
            "order_id",
            "product",
            "category",
        ],
        Annotated[list[Pointer], Field(min_length=1, max_length=10)],
    ] = Field(examples=[{"id": ["/call/id"], "body": ["/call/notes"]}])
    fields: KnownOfCase | None = None

    @model_validator(mode="after")
    def _finds_a_case(self) -> Self:
        lacking = {"id", "body"} - self.mapping.keys()
        if lacking:
            message = f"mapping: {' and '.join(sorted(lacking))} are needed; there are {FIELDS}"
            raise ValueError(message)
        return self
