"""The answers on what workspaces declare, as the schemas of the API have them."""

from datetime import datetime

from pydantic import BaseModel, Field


class MaxNew(BaseModel):
    """So many new ones within some days."""

    count: int
    days: int


class KindRule(BaseModel):
    """What goes for one kind of identifier."""

    max_per_profile: int | None
    max_new: MaxNew | None
    joins: bool


class RulesVersion(BaseModel):
    """One version of a workspace's rules, by whom and why; version 0: none were declared."""

    version: int
    actor: str | None
    reason: str | None
    created_at: datetime | None


class MergeRules(RulesVersion):
    """One version of a workspace's merge rules."""

    order: list[str]
    kinds: dict[str, KindRule]
    blocked: dict[str, list[str]]


class ChangedRules(MergeRules):
    """Rules that hold from now on."""

    job_id: str = Field(description="the job that brings everybody under them who is known")


class EventClass(BaseModel):
    """Events of these types and names, and the days that they stay; null: no end of their own."""

    types: list[str]
    names: list[str]
    days: int | None


class TimelineRules(RulesVersion):
    """One version of a workspace's timeline rules."""

    classes: list[EventClass]


class TraitRule(BaseModel):
    """What goes for one trait."""

    rule: str
    type: str | None
    sources: list[str]
    description: str


class TraitRules(RulesVersion):
    """One version of a workspace's trait rules."""

    traits: dict[str, TraitRule]


class ChangedTraitRules(TraitRules):
    """Rules that hold from now on."""

    job_id: str = Field(description="the job that weighs anew what was said before")


class PurposeRule(BaseModel):
    """What a yes to one purpose needs, and what goes for one that does not say."""

    double_opt_in: bool
    wording_version: bool
    legal_basis: str | None
    days: int | None


class ConsentRules(RulesVersion):
    """One version of a workspace's consent rules."""

    purposes: dict[str, PurposeRule]


class ChangedConsentRules(ConsentRules):
    """Rules that hold from now on."""

    job_id: str = Field(description="the job that judges anew what was said before")
