"""The answers on people, as the schemas of the API have them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from rapport_common.paging import Listed


class Identifier(BaseModel):
    """One identifier of a person, in its normal form."""

    kind: str
    value: str


class Profile(BaseModel):
    """A person as published; `omitted` counts what is kept and not shown here."""

    id: UUID
    version: int
    identifiers: list[Identifier]
    traits: dict[str, Any]
    computed: dict[str, Any]
    consent: list[dict[str, Any]]
    contact_points: list[dict[str, Any]] = Field(
        description="at which the person is reached now; `state` (bounced, complained), "
        "`state_at` and `state_by` of those that are not ok"
    )
    restraints: list[str] = Field(
        default_factory=list,
        description="what is not to be done with their data: processing, marketing, profiling",
    )
    omitted: dict[str, int]


class Matched(BaseModel):
    """By what somebody is found: `traits.name`, `contact_points.email`, `identifiers.user_id`."""

    field: str
    value: str


class Hit(BaseModel):
    """Somebody who fits, and how: by whole words, beginnings, parts, or but for one letter."""

    id: UUID
    fits: Literal["whole", "beginning", "inside", "misspelt"]
    matched: list[Matched]


class Hits(Listed[Hit]):
    """Who fits, the best first."""

    complete: bool = Field(
        description="false: so many fit that not all were looked at; ask for something rarer"
    )


class PartOfProfile(BaseModel):
    """A person, with the sections that were asked for."""

    id: UUID
    version: int
    identifiers: list[Identifier] | None = None
    traits: dict[str, Any] | None = None
    computed: dict[str, Any] | None = None
    consent: list[dict[str, Any]] | None = None
    contact_points: list[dict[str, Any]] | None = None
    omitted: dict[str, int]


class Owner(BaseModel):
    """Who has an identifier, if somebody has; the identifier is in its normal form."""

    kind: str
    value: str
    profile: PartOfProfile | None


class LookedUp(BaseModel):
    """Who has the identifiers that were asked for, in their order."""

    items: list[Owner]


class Trait(BaseModel):
    """The latest value of a trait, and the time of the event that told of it."""

    name: str
    value: Any
    at: datetime


class Score(BaseModel):
    """What a version of a model says of a person, by what was known `at` that instant, and why."""

    name: str
    value: float | str
    model: str
    model_version: str
    at: datetime
    reason: str | None


class Timeline(Listed[dict[str, Any]]):
    """A person's events as they were accepted, in the order that was asked for."""

    profile_id: UUID = Field(description="of the person now, after merges")


class Link(BaseModel):
    """A fact that two identifiers are one person's; what is `void` or `shared` does not count."""

    a: UUID
    a_kind: str
    a_value: str
    b: UUID
    b_kind: str
    b_value: str
    kind: str
    timestamp: datetime
    source: str
    message_id: str
    void: bool
    shared: bool


class Links(Listed[Link]):
    """The facts that make a person of identifiers, oldest first."""

    profile_id: UUID = Field(description="of the person now, after merges")


class Stats(BaseModel):
    """Totals over a workspace; money is a decimal string per currency."""

    profiles: int
    events: int
    orders: int
    revenue: dict[str, str]


class SaidBySource(BaseModel):
    """What the sources say of a trait that an operator has put right."""

    raw: Any
    source: str
    at: datetime


class Reading(BaseModel):
    """A trait that has a normal form."""

    name: str = Field(description="of the trait")
    field: str = Field(description="name, birthday, gender, e-mail, phone, address, or number")
    raw: Any = Field(description="as it was sent")
    normal: str | dict[str, str] | None = Field(
        description="as it is read: a text, or a name or an address by parts; null: as nothing"
    )
    source: str
    at: datetime
    put_right: bool = Field(description="an operator has said it, whatever sources say")
    said: SaidBySource | None = Field(description="what sources say, where it was put right")


class TraitSaid(BaseModel):
    """One thing that was said of a trait."""

    value: Any
    at: datetime
    source: str
    message_id: str
    once: bool = Field(description="only for the case that nothing else was said")
    counts: bool = Field(description="it is what the trait is by the rules that hold")


class TraitRight(BaseModel):
    """What an operator has put right of a trait."""

    id: UUID = Field(description="of the rectification, which says by whom and why")
    value: Any
    at: datetime
    lifted_at: datetime | None
    counts: bool = Field(description="it is what the trait is, whatever sources say")


class TraitHistory(Listed[TraitSaid]):
    """What was said of a trait, the newest first."""

    profile_id: UUID
    name: str
    rectifications: list[TraitRight] = Field(description="the newest first; of each page all")


class DeclaredAs(BaseModel):
    """What trait rules say of a trait."""

    type: str | None = Field(description="null: anything")
    rule: str
    description: str


class ComputedAs(BaseModel):
    """What a computed trait is."""

    type: str
    version: int


class TraitSource(BaseModel):
    """Of how many people a source has said the value that counts."""

    source: str
    people: int
    last_seen_at: datetime | None


class CataloguedTrait(BaseModel):
    """A trait that there is."""

    name: str
    declared: DeclaredAs | None = Field(description="by the trait rules; null: in none of them")
    computed: ComputedAs | None = Field(description="null: it is said, not computed")
    measured_at: datetime | None = Field(description="what follows; null: nothing was yet")
    people: int
    types: dict[str, int] = Field(description="of how many people the value is what")
    last_seen_at: datetime | None
    sources: list[TraitSource]
    examples: list[Any] = Field(
        description="values of now of some people; none of whom it is only to be kept"
    )


class Change(BaseModel):
    """What becomes of one profile: it is told anew, becomes another one, or ends."""

    profile_id: UUID
    version: int
    becomes_id: UUID | None = Field(description="the profile that it is a part of from now on")
    ends: bool = Field(description="nobody has it any more")
    identifiers: list[Identifier]
    traits: dict[str, Any] | None
    computed: dict[str, Any] | None
    consent: list[dict[str, Any]]


class Decided(BaseModel):
    """A decision that was carried out, or would be, and what it changes."""

    decision_id: UUID | None
    changes: list[Change]


class CutEvent(BaseModel):
    """An event, by its source and message id."""

    source: str
    message_id: str


class Decision(BaseModel):
    """What somebody has said of two identifiers, or an event, and why; and who has undone it."""

    id: UUID
    kind: str = Field(
        description="merge: they are one person; apart: they never are; cut: the event, whose "
        "strongest identifier is given twice, says nothing of who is who"
    )
    one: Identifier
    other: Identifier
    event: CutEvent | None
    actor: str
    reason: str
    created_at: datetime
    undone_at: datetime | None
    undone_by: str | None
    undone_reason: str | None


class ChainLink(BaseModel):
    """Two identifiers that are one person, and who told of it first."""

    a: Identifier
    b: Identifier
    kind: str = Field(description="seen in one event, alias, renamed, or merge by an operator")
    timestamp: datetime
    message_id: str = Field(description="the event, or the decision")
    source: str


class Obstacle(BaseModel):
    """What lets a link, or all links of an identifier, not count."""

    rule: str = Field(
        description="several_users: it belongs to two users, so to none; max_per_profile, max_new: "
        "a person would have more of a kind than the merge rules allow; keep_apart: a decision; "
        "unlinked: nothing leads from one to the other"
    )
    identifiers: list[Identifier] = Field(
        description="one: it is shared, and belongs to nobody; two: the ends of a link that does "
        "not count"
    )
    kind: str | None = Field(description="of which there would be too many")
    most: int | None = Field(description="so many of the kind, or so many new ones")
    days: int | None = Field(description="within so many days")
    users: list[Identifier] = Field(description="who share it, or meet over the link; 10 at most")
    decision_id: UUID | None
    told: str = Field(description="the same in words")


class Why(BaseModel):
    """The links that lead from one identifier to another, and what lets them not count."""

    profile_id: UUID
    other_profile_id: UUID | None = Field(
        description="the second identifier's, where they are two people"
    )
    chain: list[ChainLink]
    obstacles: list[Obstacle] = Field(description="none where they are one person")


class Reason(BaseModel):
    """What one field says of two people."""

    field: str
    told: str = Field(description="in words")
    bits: float = Field(
        description="for one person where positive, against it where negative: each bit doubles "
        "or halves the odds against the likelier of two strangers and two of one household"
    )


class Duplicate(BaseModel):
    """Two profiles that may be one person."""

    id: UUID
    profile_id: UUID
    other_profile_id: UUID
    score: float = Field(description="0 to 1: how likely it is that they are one person")
    band: str = Field(description="likely (from 0.99 on), or possible")
    reasons: list[Reason] = Field(description="those that say most come first")
    state: str = Field(description="open, merged or dismissed")
    found_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decided_reason: str | None
    decision_id: UUID | None = Field(description="the merge, or keep-apart, that was made of it")


class ShownDuplicate(Duplicate):
    """Two profiles side by side, as they are now."""

    profiles: list[Profile] = Field(description="one, where they are one person by now")


class FieldQuality(BaseModel):
    """Shares, 0 to 1: `filled` of the source's people, the others of those that are filled."""

    field: str = Field(description="name, birthday, gender, e-mail, phone, address or number")
    filled: float
    valid: float = Field(description="can be read as what it is; words for nothing can't")
    fresh: float = Field(description="told in the last 30 days")
    recent: float = Field(description="told in the last 365 days")
    newest_at: datetime | None


class SourceQuality(BaseModel):
    """What one source says; of each trait the latest word counts, for the source it is from."""

    source: str
    people: int = Field(description="of whom it has the latest word on a trait")
    in_pairs: int = Field(description="of these, how many are in an open pair of duplicates")
    fields: list[FieldQuality]


class Quality(BaseModel):
    """What all sources say of people."""

    measured_at: datetime
    people: int
    sources: list[SourceQuality]
