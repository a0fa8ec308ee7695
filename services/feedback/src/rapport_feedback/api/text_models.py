"""The bodies of the API of texts and topics: what may come in, and what goes out."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from rapport_common.errors import InvalidRequestError
from rapport_common.operator.texts import StorableText
from rapport_feedback.api.models import Request
from rapport_feedback.api.rule_models import Reason, Replaced
from rapport_feedback.domain.texts.enriching import Enrichment
from rapport_feedback.domain.texts.topic_models import Comparison
from rapport_feedback.domain.texts.topic_rules import TopicDocument
from rapport_feedback.store.text_lists import Correction, Text, TopicScore
from rapport_feedback.store.text_models import ModelVersion
from rapport_feedback.store.text_topics import SeenSpike, TopicVersion

Label = Literal["negative", "neutral", "positive"]
Language = Literal["ar", "de", "en", "es", "fr", "zh", "other"]
State = Literal["waiting", "done", "failed"]
Source = Literal["answer", "case", "message"]
TopicName = Annotated[StorableText, Field(min_length=1, max_length=63)]
Span = Annotated[
    list[int], Field(min_length=2, max_length=2, description="from character, to before character")
]


class TextView(BaseModel):
    """What was read of a text. `waiting`: not yet; what is shown meanwhile is from before."""

    id: UUID
    source: Source
    response_id: UUID | None = Field(description="of an anonymous answer null")
    case_id: UUID | None
    message_id: str | None
    part: str = Field(description="of an answer `comment` or words.<question>; else `body`")
    state: State
    reason: str | None = Field(description="why it could not be read")
    revision: int = Field(description="counts changes of the words")
    at: datetime = Field(description="of an anonymous answer the day")
    language: Language | Literal["und"] | None
    sentiment: float | None = Field(description="-1 to 1; null: no lexicon of its language")
    label: Label | None
    topics: list[str]
    corrected: bool = Field(description="by people, in label or topics")
    read_by: str | None = Field(description="versions of the reading, topics and models")
    read_at: datetime | None

    @classmethod
    def fields(cls, one: Text) -> dict[str, Any]:
        """The fields of a text's row."""
        return {
            "id": one.text_id,
            "corrected": one.said_label is not None or one.said_topics is not None,
            # When an anonymous answer was read says when it came.
            "read_at": None if one.anonymous else one.read_at,
            # It leads to the rest of the answer.
            "response_id": None if one.anonymous else one.response_id,
            **{
                name: getattr(one, name)
                for name in TextView.model_fields
                if name not in {"id", "corrected", "read_at", "response_id"}
            },
        }

    @classmethod
    def of(cls, one: Text) -> Self:
        """A text in a list."""
        return cls(**cls.fields(one))


class WordView(BaseModel):
    word: str
    weight: float = Field(description="what it gave the sum: below 0 is blame")
    place: Span


class TopicReason(BaseModel):
    topic: str
    by: Literal["rules", "model"]
    sure: float
    because: list[str] = Field(description="words of the text that spoke for it")
    places: list[Span]


class PersonalView(BaseModel):
    kind: str
    place: Span


class AlikeView(BaseModel):
    text_id: UUID
    share: float = Field(description="about so much of the text is the same")


class CorrectionView(BaseModel):
    number: int
    revision: int
    topics: list[str] | None
    sentiment: Label | None
    actor: str
    at: datetime

    @classmethod
    def of(cls, one: Correction) -> Self:
        """What somebody has said."""
        return cls(
            number=one.number,
            revision=one.revision,
            topics=None if one.topics is None else list(one.topics),
            sentiment=one.label,  # type: ignore[arg-type] # only labels are taken in
            actor=one.actor,
            at=one.at,
        )


class TextWithReasons(TextView):
    """A text with why: what carried the sentiment, what spoke for topics, what was hidden."""

    redacted: str | None = Field(description="the text without what names somebody")
    personal: list[PersonalView]
    cut_off: bool = Field(description="only its first 8,000 characters were read")
    sure: float | None = Field(description="of the language, 0 to 1")
    words: list[WordView]
    reasons: list[TopicReason]
    phrases: list[str]
    alike: list[AlikeView]
    corrections: list[CorrectionView]

    @classmethod
    def all_of(
        cls, one: Text, alike: list[tuple[Text, float]], corrections: list[Correction]
    ) -> Self:
        """A text by itself."""
        read = one.result
        return cls(
            **cls.fields(one),
            **_reasons(read),
            alike=[AlikeView(text_id=other.text_id, share=share) for other, share in alike],
            corrections=[CorrectionView.of(each) for each in corrections],
        )


def _reasons(read: Enrichment | None) -> dict[str, Any]:
    if read is None:
        lists: dict[str, Any] = {name: [] for name in ("personal", "words", "reasons", "phrases")}
        return {"redacted": None, "cut_off": False, "sure": None, **lists}
    built = msgspec.to_builtins(read)
    return {
        "reasons": built["topics"],
        **{name: built[name] for name in ("redacted", "cut_off", "sure", "personal", "words")},
        "phrases": built["phrases"],
    }


class NewCorrection(Request):
    """What a text is; what is left out stays as it is."""

    topics: list[TopicName] | None = Field(None, max_length=50, description="all of them")
    sentiment: Label | None = None


class JobAsked(BaseModel):
    job_id: UUID


_ANY: dict[str, Any] = {
    "label": "Delivery",
    "rules": {
        "en": {
            "all": [
                {"words": ["deliver*", "parcel", "courier"]},
                {"none": [{"words": ["no delivery fee"]}]},
            ]
        },
        "zh": {"words": ["快递", "物流"]},
    },
}


class TopicBody(Request):
    """A topic: a rule for each language, that under `any` for all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _ANY})
    label: Annotated[StorableText, Field(min_length=1, max_length=200)]
    rules: dict[str, dict[str, Any]] = Field(
        max_length=10, description="any, all, none: lists of rules; words: phrases, `deliver*`"
    )

    def document(self) -> TopicDocument:
        """The same for the domain; InvalidRequestError with the path of what is no rule."""
        given = {"label": self.label, "rules": self.rules}
        try:
            return msgspec.convert(given, TopicDocument)
        except (msgspec.ValidationError, RecursionError) as error:
            message = f"rules: {error}."
            raise InvalidRequestError(message, details={"field": "rules"}) from error


class NewTopic(TopicBody):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {**_ANY, "version": 0, "reason": "New"}}
    )
    version: Replaced
    reason: Reason


class ShownTopic(BaseModel):
    name: str
    version: int
    label: str | None = Field(description="null: it was taken away")
    rules: dict[str, dict[str, Any]] | None
    actor: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, one: TopicVersion) -> Self:
        """A version of a topic."""
        told = None if one.document is None else msgspec.to_builtins(one.document)
        return cls(
            name=one.name,
            version=one.version,
            label=told["label"] if told else None,
            rules=told["rules"] if told else None,
            actor=one.actor,
            reason=one.reason,
            created_at=one.created_at,
        )


class DeclaredTopic(BaseModel):
    name: str
    version: int
    job_id: UUID = Field(description="by which all texts are read again")


class TopicScoreView(BaseModel):
    """Answers of NPS with a text of this topic, and texts of any source."""

    topic: str
    days: int
    answers: int | None = Field(description="null: too few anonymous people are among them")
    detractors: int | None
    promoters: int | None
    share_of_detractors: float | None
    texts: int | None
    negative: int | None

    @classmethod
    def of(cls, topic: str, days: int, one: TopicScore | None) -> Self:
        """How people score who speak of a topic."""
        share = round(one.detractors / one.answers, 4) if one and one.answers else None
        return cls(
            topic=topic,
            days=days,
            answers=one.answers if one else None,
            detractors=one.detractors if one else None,
            promoters=one.promoters if one else None,
            share_of_detractors=share,
            texts=one.texts if one else None,
            negative=one.negative if one else None,
        )


class SpikeView(BaseModel):
    """A day with more than by chance: of such, at most one in twenty is a false alarm."""

    day: date
    count: int
    expected: float = Field(description="the mean of this weekday, of up to 8 weeks")
    p: float = Field(description="how likely so many would be by chance")
    seen_at: datetime

    @classmethod
    def of(cls, one: SeenSpike) -> Self:
        """A day."""
        return cls(
            day=one.day, count=one.count, expected=one.expected, p=one.p, seen_at=one.seen_at
        )


class NewModel(Request):
    language: Language


class ModelChange(Request):
    active: bool = Field(strict=True)


class MeasureView(BaseModel):
    texts: int
    right: int = Field(description="texts of which all topics are right")
    precision: float
    recall: float


class ModelView(BaseModel):
    """What was learned beside the rules, on texts that neither has seen."""

    id: UUID
    language: str
    version: int
    active: bool
    told_by: str | None = Field(description="who has let it hold; null: the measure")
    model: MeasureView
    rules: MeasureView
    gain: float = Field(description="share of texts that it has right and the rules have not")
    low: float = Field(description="of the 95 % interval; above 0 it holds by itself")
    high: float
    created_at: datetime

    @classmethod
    def of(cls, one: ModelVersion) -> Self:
        """A version."""
        compared: Comparison = one.comparison
        built = msgspec.to_builtins(compared)
        return cls(
            id=one.model_id,
            language=one.language,
            version=one.version,
            active=one.active,
            told_by=one.told_by,
            created_at=one.created_at,
            **built,
        )
