"""What is sent and shown of templates and snippets."""

from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from rapport_campaign.api.words import Line, SegmentId, Subject, Tag, Template
from rapport_campaign.domain.model import CampaignState
from rapport_campaign.domain.snippets import NAME
from rapport_campaign.domain.templates import MOST_LANGUAGES, Format, Source, Texts
from rapport_campaign.render.preview import Code
from rapport_common.operator.texts import StorableText
from rapport_common.paging import MAX_BIGINT


def _snippet(text: str) -> str:
    if not NAME.fullmatch(text):
        message = "must be a name of a-z, 0-9, '_' and '-', such as `footer`"
        raise PydanticCustomError("snippet", message)
    return text


def _data(told: dict[str, Any]) -> dict[str, Any]:
    try:
        msgspec.json.encode(told)
    except (OverflowError, RecursionError, TypeError, ValueError):
        message = "must be values that JSON and databases have: no number beyond 64 bits"
        raise PydanticCustomError("data", message) from None
    return told


SnippetName = Annotated[str, Field(max_length=63), AfterValidator(_snippet)]

Preheader = Annotated[StorableText, Field(max_length=1000)]
Reason = Annotated[StorableText, Field(min_length=1, max_length=1000)]
Number = Annotated[int, Field(ge=1, le=MAX_BIGINT, strict=True)]

_TEMPLATE: JsonDict = {
    "name": "Welcome",
    "format": "html",
    "language": "en",
    "subject": "Welcome, {{ profile.traits.name | default: 'friend' }}",
    "preheader": "A present is waiting",
    "body": '<p>Hello. {% render "footer" %}</p>',
    "languages": {"de": {"subject": "Willkommen", "body": "<p>Hallo.</p>"}},
}
_SNIPPET: JsonDict = {"name": "footer", "source": "<p>Shop Ltd, 1 High Street</p>"}


class TextsBody(BaseModel):
    """What a template says in one language: Liquid, with `body` in the template's format."""

    model_config = ConfigDict(extra="forbid")

    subject: Subject
    preheader: Preheader = Field("", description="what mailboxes show beside the subject")
    body: Template
    text: Template | None = Field(None, description="null: made of the page")
    amp: Template | None = Field(None, description="the page again, as AMP for Email")

    def texts(self) -> Texts:
        """As the domain has them."""
        return Texts(**{name: getattr(self, name) for name in Texts.__struct_fields__})


Languages = Annotated[dict[Tag, TextsBody], Field(max_length=MOST_LANGUAGES)]


class NewTemplate(TextsBody):
    """A template to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _TEMPLATE})

    name: Line
    format: Format = "html"
    language: Tag | None = Field(None, description="of the texts that stand beside it")
    languages: Languages = Field(default_factory=dict, description="other ones, by their tags")
    reason: Reason = "made"

    def source(self) -> Source:
        """As the domain has it."""
        return Source(
            format=self.format,
            texts=self.texts(),
            language=self.language,
            languages={tag: one.texts() for tag, one in self.languages.items()},
        )


class TemplateChange(BaseModel):
    """The next version: what is left out stays, `languages` are all of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"subject": "Hello", "reason": "shorter", "version": 1}},
    )

    name: Line | None = None
    format: Format | None = None
    language: Tag | None = None
    subject: Subject | None = None
    preheader: Preheader | None = None
    body: Template | None = None
    text: Template | None = Field(None, description="null: made of the page")
    amp: Template | None = Field(None, description="null: none")
    languages: Languages | None = None
    version: Number | None = Field(None, description="the one that you have seen; else the newest")
    reason: Reason

    @model_validator(mode="after")
    def _only_some_can_go(self) -> Self:
        for name in sorted(self.model_fields_set - {"text", "amp", "language", "version"}):
            if getattr(self, name) is None:
                message = "{name} can't be null: leave it out, or give another value"
                raise PydanticCustomError("null", message, {"name": name})
        return self

    def laid_over(self, there: Source) -> Source:
        """The source with what is given."""
        given = self.model_fields_set
        texts = {name: getattr(self, name) for name in Texts.__struct_fields__ if name in given}
        rest: dict[str, Any] = {
            name: getattr(self, name) for name in ("format", "language") if name in given
        }
        if self.languages is not None:
            rest["languages"] = {tag: one.texts() for tag, one in self.languages.items()}
        replaced = msgspec.structs.replace
        return replaced(there, texts=replaced(there.texts, **texts), **rest)


class OnIt(BaseModel):
    """A campaign that says what a template says: the version it has."""

    id: str
    name: str
    state: CampaignState
    template_version: int | None


class TemplateBrief(BaseModel):
    """A template without what it says."""

    id: str
    name: str
    version: int
    created_at: datetime
    archived_at: datetime | None


class VersionView(BaseModel):
    """One version, by whom and why; `snippets` that were put in, by their versions then."""

    version: int
    format: Format
    language: str | None
    subject: str
    preheader: str
    body: str
    text: str | None
    amp: str | None
    languages: dict[str, TextsBody]
    snippets: dict[str, int]
    variables: list[str]
    created_at: datetime
    created_by: str
    reason: str


class TemplateView(VersionView):
    """A template at its newest version.

    `campaigns`: the living ones on it. Drafts have this version, started ones that of their start.
    """

    id: str
    name: str
    archived_at: datetime | None
    campaigns: list[OnIt]
    newer_snippets: list[str] = Field(description="those that have a newer version than is in it")


class PreviewAsked(BaseModel):
    """As whose a template is to be shown: nobody's without `profile_id`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"language": "de", "data": {"name": "Ada"}}},
    )

    profile_id: Line | None = None
    language: Tag | None = Field(None, description="in place of the person's own")
    version: Number | None = Field(None, description="the newest when left out")
    data: Annotated[dict[str, Any], AfterValidator(_data)] = Field(
        default_factory=dict, max_length=200, description="traits, laid over the person's own"
    )


class WarningView(BaseModel):
    """Something to look at before it goes."""

    code: Code
    part: str
    message: str


class PreviewView(BaseModel):
    """A template as somebody would get it; `language` null: the template's own, which it does not
    name, or which nobody has asked for.

    `size` is the page's in bytes, before its links are made to be counted.
    """

    version: int
    language: str | None
    subject: str
    preheader: str
    html: str
    text: str
    size: int
    warnings: list[WarningView]
    amp: str | None


class WarningsAsked(BaseModel):
    """Who would get it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"segment_id": "0190a5b0-0000-7000-8000-000000000001"}},
    )

    segment_id: SegmentId
    version: Number | None = Field(None, description="the newest when left out")


class LackingView(BaseModel):
    """So many of the people that were looked at lack a variable that is printed as it is."""

    variable: str
    people: int


class WarningsView(BaseModel):
    """Who would miss something: of large segments a part is looked at, always the same."""

    version: int
    members: int
    looked_at: int
    lacking: list[LackingView]


class NewSnippet(BaseModel):
    """A piece that templates share: Liquid in HTML or MJML."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _SNIPPET})

    name: SnippetName
    source: Template
    reason: Reason = "made"


class SnippetChange(BaseModel):
    """Its next version. Templates have it in them when they are saved again."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"source": "<p>Shop Ltd</p>", "reason": "moved"}},
    )

    source: Template
    version: Number | None = Field(None, description="the one that you have seen; else the newest")
    reason: Reason


class SnippetVersion(BaseModel):
    """One version of a snippet, by whom and why."""

    name: str
    version: int
    source: str
    created_at: datetime
    created_by: str
    reason: str


class SnippetView(SnippetVersion):
    """A snippet, and who has it in it: these are concerned when it is changed."""

    in_snippets: list[str]
    in_templates: list[TemplateBrief]
    campaigns: list[OnIt]
