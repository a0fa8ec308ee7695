"""The bodies of surveys: what they ask, to whom links go, how answers are told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    RootModel,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import override

from rapport_common.operator.texts import storable_text
from rapport_feedback.api.models import Line, Named, Question, Request
from rapport_feedback.domain.survey_checks import read_form
from rapport_feedback.domain.survey_forms import (
    DIMENSIONS,
    MAX_DIMENSION,
    TRAITS,
    Form,
    simple,
    to_document,
)
from rapport_feedback.domain.survey_texts import missing
from rapport_feedback.domain.surveys import Kind, State, Survey
from rapport_feedback.handlers.contact_policy import Override
from rapport_feedback.store.survey_answers import Listed
from rapport_feedback.store.surveys import Version

_FORM = {
    "languages": ["en", "de"],
    "pages": [
        {
            "id": "likely",
            "questions": [
                {
                    "kind": "nps",
                    "id": "score",
                    "required": True,
                    "text": {"en": "Would you recommend us?", "de": "Würden Sie uns empfehlen?"},
                }
            ],
            "next": [{"if": {"answer": "score", "op": "gte", "value": 9}, "to": "end"}],
        },
        {
            "id": "why",
            "questions": [
                {
                    "kind": "text",
                    "id": "comment",
                    "text": {"en": "Why {{ answer.score }}?", "de": "Warum {{ answer.score }}?"},
                }
            ],
        },
    ],
}


def _inlined(schema: Any, parts: Mapping[str, Any]) -> Any:
    """A JSON Schema without references: no part of a form contains itself."""
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    # Its mapping is to references; the constant in each kind says the same.
    return {key: _inlined(one, parts) for key, one in schema.items() if key != "discriminator"}


def form_schema() -> dict[str, Any]:
    """The JSON Schema of a form."""
    (schema,), parts = msgspec.json.schema_components([Form])
    found: dict[str, Any] = _inlined(schema, parts)
    return {**found, "examples": [_FORM]}


class FormDocument(RootModel[dict[str, Any]]):
    """What a survey asks."""

    @classmethod
    @override
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Of the form itself: it is read, and every mistake told with its path, by the domain."""
        return {**handler(core_schema), **form_schema()}


def _dimension(value: str) -> str:
    if value not in DIMENSIONS:
        raise PydanticCustomError("dimension", "must be one of {names}", {"names": _NAMES})
    return value


def _trait(value: str) -> str:
    if value not in TRAITS:
        raise PydanticCustomError("trait", "must be one of {names}", {"names": ", ".join(TRAITS)})
    return value


_NAMES = ", ".join(DIMENSIONS)
_SHORT = StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_DIMENSION)
Short = Annotated[str, _SHORT, AfterValidator(storable_text)]
Context = Annotated[
    dict[Annotated[str, AfterValidator(_dimension)], Short],
    Field(description=f"By what scores are told apart: {_NAMES}.", examples=[{"store": "Mitte"}]),
]
Traits = Annotated[
    dict[Annotated[str, AfterValidator(_trait)], Short],
    Field(description="What texts may say of this person.", examples=[{"name": "Ada"}]),
]


class NewSurvey(Request):
    """One `question` with a score and a comment, or a `form`."""

    name: Line
    kind: Kind = Kind.NPS
    question: Question | None = None
    form: FormDocument | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if (self.question is None) is (self.form is None):
            raise PydanticCustomError("asked", "give either a question or a form")
        if self.question is not None and self.kind is Kind.NONE:
            raise PydanticCustomError(
                "kind", "a question by itself has a score: nps, csat, ces, rating"
            )
        return self

    def asked(self) -> Form:
        """The form; InvalidRequestError tells what is wrong with it."""
        if self.form is not None:
            return read_form(self.form.root)
        return simple(self.question or "", self.kind)


class FormBody(Request):
    """What is asked from now on."""

    form: FormDocument


class NewLink(Request):
    """A link for all."""

    context: Context = Field(default_factory=dict)

    def dimensions(self) -> dict[str, str]:
        """By what its answers are counted."""
        return self.context


class NewInvitation(Named):
    """A person, by what their answer is counted, and what texts may say of them."""

    context: Context = Field(default_factory=dict)
    traits: Traits = Field(default_factory=dict)
    override: bool = Field(default=False, description="Invite, whatever the contact policy says.")
    reason: Line | None = Field(default=None, description="Why it is overridden: staff read it.")

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.override and self.reason is None:
            message = "say why the contact policy does not hold here: reason"
            raise ValueError(message)
        return self

    def dimensions(self) -> dict[str, str]:
        """By what the answer is counted."""
        return self.context

    def overridden(self, actor: str) -> Override | None:
        """By whom and why the contact policy is not heeded; None: it is."""
        return Override(actor, self.reason) if self.override and self.reason else None


class SurveyView(BaseModel):
    """`question` is the leading one; `version` is of what is asked, `wave` of the run."""

    id: UUID
    name: str
    kind: Kind
    question: str
    wave: int
    version: int
    anonymous: bool
    created_at: datetime
    archived_at: datetime | None

    @classmethod
    def of(cls, one: Survey) -> Self:
        """A survey as staff see it."""
        return cls(
            id=one.survey_id,
            name=one.name,
            kind=one.kind,
            question=one.question,
            wave=one.wave,
            version=one.version,
            anonymous=one.anonymous,
            created_at=one.created_at,
            archived_at=one.archived_at,
        )


class Missing(BaseModel):
    """Words that a language of the form lacks; its readers see the next language that has them."""

    language: str
    paths: list[str]


class QuotaView(BaseModel):
    """How many answers a quota has; without `wave` of all waves. `taken` is null where it would
    say how somebody has answered an anonymous survey.
    """

    id: str
    wave: int | None
    limit: int
    taken: int | None


class SurveyWithForm(SurveyView):
    """A survey and what it asks."""

    form: FormDocument
    missing: list[Missing]
    quotas: list[QuotaView]

    @classmethod
    def told(cls, one: Survey, form: Form, counted: Mapping[tuple[int, str], int]) -> Self:
        """`counted` is {(wave, or 0 for all, quota): answers}."""
        quotas = [
            QuotaView(
                id=quota.id,
                wave=one.wave if quota.per == "wave" else None,
                limit=quota.limit,
                taken=None
                if one.anonymous and quota.when is not None
                else counted.get((one.wave if quota.per == "wave" else 0, quota.id), 0),
            )
            for quota in form.quotas
        ]
        return cls(
            **SurveyView.of(one).model_dump(),
            form=FormDocument(to_document(form)),
            missing=[Missing(language=tag, paths=paths) for tag, paths in missing(form).items()],
            quotas=quotas,
        )


class VersionView(BaseModel):
    """What was asked from `created_at` on, by whose word."""

    version: int
    form: FormDocument
    actor: str
    created_at: datetime

    @classmethod
    def of(cls, one: Version) -> Self:
        """A version as staff see it."""
        return cls(
            version=one.version,
            form=FormDocument(to_document(one.form)),
            actor=one.actor,
            created_at=one.created_at,
        )


class ResponseView(BaseModel):
    """What somebody answered; `kind` and `value` name them, unless the survey is anonymous.

    Times of anonymous answers are those of the day.
    """

    model_config = ConfigDict(json_schema_extra={"examples": []})

    id: UUID
    wave: int
    version: int
    revision: int
    state: State
    answers: dict[str, Any] = Field(description="By the ids of questions.")
    context: dict[str, str]
    kind: str | None
    value: str | None
    answered_at: datetime
    revised_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, one: Listed, form: Form) -> Self:
        """An answer as staff see it; `form` is of its version."""
        found = one.raw.of(form)
        return cls(
            id=found.response_id,
            wave=one.wave,
            version=found.version,
            revision=found.revision,
            state=found.state,
            answers=dict(found.answers),
            context=dict(one.context),
            kind=one.kind,
            value=one.value,
            answered_at=found.answered_at,
            revised_at=found.revised_at,
            finished_at=found.finished_at,
        )
