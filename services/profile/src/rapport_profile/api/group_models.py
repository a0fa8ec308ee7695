"""What the routes of groups take and answer."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from rapport_profile.api.asking import NO_NUL
from rapport_profile.api.models.rules import RulesVersion, TraitRule
from rapport_profile.domain.groups.facts import MAX_KEY, MAX_ROLE
from rapport_profile.domain.groups.kinds import Public
from rapport_profile.domain.trait_rules import MAX_NAME

MAX_SAID = 100
Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL)]
TraitName = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=NO_NUL)]
Said = Annotated[
    dict[TraitName, Any],
    Field(max_length=MAX_SAID, description="values by name; null removes a trait"),
]


class NewGroup(BaseModel):
    """A group that there is from now on."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(min_length=1, max_length=64, examples=["company"])
    key: str = Field(
        min_length=1, max_length=MAX_KEY, pattern=NO_NUL, description="its id where you keep it"
    )
    traits: Said = Field(default_factory=dict)
    reason: Reason


class Description(BaseModel):
    """What an operator says of a group's traits; those that are left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    traits: Said
    reason: Reason


class Joining(BaseModel):
    """Who is in a group from now on."""

    model_config = ConfigDict(extra="forbid")

    profile_id: UUID
    role: str | None = Field(None, min_length=1, max_length=MAX_ROLE, pattern=NO_NUL)
    reason: Reason


class Leaving(BaseModel):
    """Who is in a group no more."""

    model_config = ConfigDict(extra="forbid")

    profile_id: UUID
    reason: Reason


class ListedGroup(BaseModel):
    """A group with its traits."""

    id: str
    kind: str
    key: str = Field(description="its id where you keep it")
    traits: dict[str, Any]
    updated_at: datetime = Field(description="when its traits last changed")


class Group(ListedGroup):
    """A group, and how many are in it."""

    members: int = Field(description="up to 100,000 are counted")


class Member(BaseModel):
    """Who is in a group; not `verified`: only a public source, such as a web page, says so."""

    profile_id: str
    joined_at: datetime
    role: str | None
    verified: bool


class Membership(BaseModel):
    """A person's part in a group, now or (`left_at`) before."""

    group_id: str
    kind: str
    key: str
    traits: dict[str, Any] = Field(description="those of the group")
    joined_at: datetime
    role: str | None
    verified: bool
    left_at: datetime | None
    moved: bool = Field(description="it ended because they joined another of the kind")


class GroupKind(BaseModel):
    """What goes for one kind of group."""

    max_per_person: int | None
    public: Public
    traits: dict[str, TraitRule]
    description: str


class GroupRules(RulesVersion):
    """One version of a workspace's kinds of groups."""

    kinds: dict[str, GroupKind]
