"""The bodies of agents, teams, queues and views: what may come in, and what goes out."""

import re
from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rapport_common.errors import InvalidRequestError
from rapport_common.operator.texts import StorableText
from rapport_feedback.api.case_models import CaseView
from rapport_feedback.api.rule_models import Body, Reason, Replaced, WhenBody, Word, Words
from rapport_feedback.domain import case_views, desk
from rapport_feedback.domain.case_fields import Severity
from rapport_feedback.domain.case_views import Sort, ViewDocument
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.desk import Agent, Mode, QueueDocument, TeamDocument, Urgency
from rapport_feedback.store.agents import Viewer
from rapport_feedback.store.desk import Rule

AGENT = re.compile(r"[^\x00-\x20/\x7f]{1,120}")


def agent_id(told: str) -> str:
    """The id of somebody; InvalidRequestError for what can't be one."""
    if not AGENT.fullmatch(told):
        message = f"agent: {told[:80]!r} is no id: 1 to 120 characters, without spaces and '/'."
        raise InvalidRequestError(message, details={"field": "agent"})
    return told


def _an_agent(told: str) -> str:
    if not AGENT.fullmatch(told):
        message = "is no id of an agent: 1 to 120 characters, without spaces and '/'"
        raise ValueError(message)
    return told


AgentName = Annotated[StorableText, AfterValidator(_an_agent)]
Skills = Annotated[list[Word], Field(max_length=desk.MOST_SKILLS)]
Columns = Annotated[list[str], Field(min_length=1, max_length=len(case_views.COLUMNS))]


class NewAgent(Body):
    """Somebody who works on cases, as a whole; whether they are present stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Ann", "skills": ["refunds"], "languages": ["en", "de"], "capacity": 8}
            ]
        },
    )

    name: Word = ""
    skills: Skills = Field(default_factory=list)
    languages: Skills = Field(default_factory=list, description="none: any")
    capacity: int = Field(10, ge=1, le=desk.MOST_CAPACITY, strict=True, description="open cases")
    present: bool = Field(default=True, description="of somebody new")

    def agent(self, id_: str) -> Agent:
        """The same for the domain."""
        return Agent(
            id_,
            self.name,
            frozenset(filter(None, self.skills)),
            frozenset(filter(None, self.languages)),
            self.capacity,
            present=self.present,
        )


class AgentChange(Body):
    """Somebody comes or goes."""

    present: bool = Field(examples=[False])


class AgentView(BaseModel):
    """An agent, and how many open cases are theirs."""

    id: str
    name: str
    skills: list[str]
    languages: list[str]
    capacity: int
    present: bool
    away_at: datetime | None = Field(description="since when they are away")
    load: int

    @classmethod
    def of(cls, one: Agent) -> Self:
        """An agent as operators see them."""
        return cls(
            id=one.id,
            name=one.name,
            skills=sorted(one.skills),
            languages=sorted(one.languages),
            capacity=one.capacity,
            present=one.present,
            away_at=one.away_since,
            load=one.load,
        )


class TeamBody(Body):
    """Who is in it, by the ids of agents."""

    title: Word = ""
    members: list[AgentName] = Field(default_factory=list, max_length=desk.MOST_MEMBERS)


class QueueBody(Body):
    """Which cases wait in it, in which order, and who takes them."""

    title: Word = ""
    when: WhenBody = Field(default_factory=WhenBody)
    order: int = Field(100, ge=0, le=10_000, strict=True)
    team: Word = Field("", description="by name; empty: every agent")
    mode: Mode = Mode.MANUAL
    urgency: list[Urgency] = Field(
        default_factory=lambda: list(desk.USUAL_URGENCY), min_length=1, max_length=len(Urgency)
    )
    skills: Skills = Field(default_factory=list, description="who takes a case has all of them")
    return_minutes: Annotated[int | None, Field(ge=0, le=desk.MOST_MINUTES, strict=True)] = Field(
        None, description="so long somebody may be away before their cases come back; null: stay"
    )


class FiltersBody(Body):
    """Cases that have one of the values of each list that has any."""

    state: list[State] = Field(default_factory=list, description="none: all but closed")
    owner: Words = Field(default_factory=list, description="@me, @nobody, or ids of agents")
    team: Words = Field(default_factory=list, description="@mine, or names")
    queue: Words = Field(default_factory=list)
    severity: list[Severity] = Field(default_factory=list, max_length=len(Severity))
    category: Words = Field(default_factory=list)
    product: Words = Field(default_factory=list)
    tier: Words = Field(default_factory=list)
    channel: Words = Field(default_factory=list)
    language: Words = Field(default_factory=list)
    overdue: bool = False


class ViewBody(Body):
    """Which cases, in which order, with which columns."""

    title: Word = ""
    filters: FiltersBody = Field(default_factory=FiltersBody)
    sort: Sort = Sort.DUE
    columns: Columns = Field(default_factory=lambda: list(case_views.USUAL_COLUMNS))


class _New(Body):
    version: Replaced
    reason: Reason


def _example(**told: Any) -> ConfigDict:
    example = {**told, "version": 0, "reason": "first"}
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class NewTeam(TeamBody, _New):
    """A team that takes the place of another, as a whole."""

    model_config = _example(title="Refunds", members=["ann", "bob"])

    def document(self) -> TeamDocument:
        """As it is kept."""
        return TeamDocument(self.title, tuple(dict.fromkeys(self.members)))


class NewQueue(QueueBody, _New):
    """A queue that takes the place of another, as a whole."""

    model_config = _example(
        title="Damaged", when={"category": ["damaged"]}, order=10, mode="pull", skills=["refunds"]
    )

    def document(self) -> QueueDocument:
        """As it is kept; InvalidRequestError for an order with something twice."""
        if len(set(self.urgency)) != len(self.urgency):
            message = "urgency: name each of due, severity and age once at most."
            raise InvalidRequestError(message, details={"field": "urgency"})
        told = self.model_dump(mode="json", exclude={"version", "reason"})
        return msgspec.convert(told, QueueDocument)


class NewView(ViewBody, _New):
    """A view that takes the place of another, as a whole."""

    model_config = _example(title="Bad ones", filters={"severity": ["critical"]}, sort="oldest")

    def document(self) -> ViewDocument:
        """As it is kept; InvalidRequestError for a column that there is not."""
        unknown = [one for one in self.columns if one not in case_views.COLUMNS]
        if unknown:
            message = f"columns: there is no {unknown[0][:80]!r}; {', '.join(case_views.COLUMNS)}."
            raise InvalidRequestError(message, details={"field": "columns"})
        told = self.model_dump(mode="json", exclude={"version", "reason"})
        return msgspec.convert(told, ViewDocument)


class _Shown(BaseModel):
    name: str
    version: int = Field(description="0: it comes with Rapport")
    actor: str
    reason: str
    changed_at: datetime | None

    @classmethod
    def of(cls, found: Rule) -> Self:
        """One as operators see it."""
        head = {one: getattr(found, one) for one in _Shown.model_fields}
        return cls.model_validate({**msgspec.to_builtins(found.document), **head})


class ShownTeam(TeamBody, _Shown):
    """A team, by whom and why it is so."""


class ShownQueue(QueueBody, _Shown):
    """A queue, by whom and why it is so."""


class ShownView(ViewBody, _Shown):
    """A view, by whom and why it is so; its number of cases, where that was asked for."""

    cases: int | None = Field(None, description="counted up to 1,000")
    cases_more: bool = Field(default=False, description="there are more than `cases`")


class DeclaredRule(BaseModel):
    """What holds now; of teams and queues the job by which open cases follow."""

    name: str
    version: int
    job_id: str | None


class NextBody(Body):
    """Who takes the case."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"agent": "ann"}]})

    agent: AgentName | None = Field(None, description="null: who calls")


class Taken(BaseModel):
    """The case that is theirs now; null: none waits that they can have."""

    taken: CaseView | None


class ViewerView(BaseModel):
    """Somebody who has the case open."""

    agent: str
    writing: bool
    until_at: datetime

    @classmethod
    def of(cls, one: Viewer) -> Self:
        """Somebody as the others see them."""
        return cls(agent=one.agent_id, writing=one.writing, until_at=one.until_at)


class PresenceBody(Body):
    """Somebody has the case open for the next minute."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"writing": True}]})

    agent: AgentName | None = Field(None, description="null: who calls")
    writing: bool = False


class Presence(BaseModel):
    """Until when one counts as there, and who else is."""

    until_at: datetime
    others: list[ViewerView]


class InboxCase(CaseView):
    """A case as it waits, and who has it open now."""

    viewers: list[ViewerView]
