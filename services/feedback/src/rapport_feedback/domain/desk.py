"""Queues and teams: where a case lands, and who may have it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import msgspec

from rapport_feedback.domain.case_fields import Fields, Severity
from rapport_feedback.domain.cases import Case
from rapport_feedback.domain.policies import When

MOST_RULES, MOST_MEMBERS, MOST_SKILLS, MOST_CAPACITY = 200, 500, 50, 1000
MOST_MINUTES = 30 * 24 * 60
SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.NORMAL, Severity.LOW)
"""The worst first."""


class Mode(StrEnum):
    """How the cases of a queue find their agents."""

    MANUAL = "manual"
    PULL = "pull"
    PUSH = "push"


class Urgency(StrEnum):
    """What puts a case before another."""

    DUE = "due"
    SEVERITY = "severity"
    AGE = "age"


USUAL_URGENCY = (Urgency.DUE, Urgency.SEVERITY, Urgency.AGE)


class TeamDocument(msgspec.Struct, frozen=True):
    """Who is in a team, by the ids of agents."""

    title: str = ""
    members: tuple[str, ...] = ()


class QueueDocument(msgspec.Struct, frozen=True):
    """Which cases wait in it, in which order, and who takes them.

    Of the queues that fit a case, the one of the lowest `order` has it, then the first by name.
    No `team`: every agent. Who takes a case has all `skills`, and speaks its language.
    `return_minutes`: so long somebody may be away before their cases come back; None: they stay.
    """

    title: str = ""
    when: When = When()
    order: int = 100
    team: str = ""
    mode: Mode = Mode.MANUAL
    urgency: tuple[Urgency, ...] = USUAL_URGENCY
    skills: tuple[str, ...] = ()
    return_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who works on cases; `id` is the subject of their credential.

    No `languages`: any. `load` is the number of open cases that are theirs.
    """

    id: str
    name: str = ""
    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    capacity: int = 10
    present: bool = True
    away_since: datetime | None = None
    assigned_at: datetime | None = None
    load: int = 0


@dataclass(frozen=True, slots=True)
class Desk:
    """The queues and teams of a workspace, by name."""

    queues: Mapping[str, QueueDocument] = field(default_factory=dict)
    teams: Mapping[str, TeamDocument] = field(default_factory=dict)

    def queue_of(self, fields: Fields) -> str:
        """The name of the first queue that fits a case; empty: none does."""
        fitting = [
            (queue.order, name) for name, queue in self.queues.items() if queue.when.fits(fields)
        ]
        return min(fitting)[1] if fitting else ""

    def placed(self, fields: Fields) -> Fields:
        """What is known of a case, with the queue that follows from it."""
        return replace(fields, queue=self.queue_of(fields))

    def members(self, queue: QueueDocument) -> Collection[str] | None:
        """The ids of those who may take cases of a queue; None: every agent."""
        if not queue.team:
            return None
        team = self.teams.get(queue.team)
        return frozenset(team.members) if team else frozenset()

    def served_by(self, agent: str, mode: Mode | None = None) -> list[str]:
        """The names of the queues, of a mode if given, whose cases an agent may take."""
        found = []
        for name, queue in sorted(self.queues.items()):
            members = self.members(queue)
            if mode in {None, queue.mode} and (members is None or agent in members):
                found.append(name)
        return found

    def teams_of(self, agent: str) -> list[str]:
        """The names of the teams that an agent is in."""
        return [name for name, team in sorted(self.teams.items()) if agent in team.members]


class Obstacle(StrEnum):
    """Why somebody can't have a case."""

    TEAM = "not in the team"
    AWAY = "away"
    SKILLS = "without the skills"
    LANGUAGE = "without the language"
    FULL = "at capacity"


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is to have a case, and why; or why nobody can."""

    agent: str | None
    reason: str


def obstacle(
    agent: Agent, queue: QueueDocument, members: Collection[str] | None, language: str
) -> Obstacle | None:
    """The first reason why an agent can't have a case of a queue; None: there is none."""
    if members is not None and agent.id not in members:
        return Obstacle.TEAM
    if not agent.present:
        return Obstacle.AWAY
    if not agent.skills.issuperset(queue.skills):
        return Obstacle.SKILLS
    if language and agent.languages and language not in agent.languages:
        return Obstacle.LANGUAGE
    if agent.load >= agent.capacity:
        return Obstacle.FULL
    return None


def choose(
    agents: Iterable[Agent],
    queue: QueueDocument,
    members: Collection[str] | None,
    language: str,
) -> Choice:
    """Who has the smallest share of their capacity in use; of equals who was given one longest ago.

    Whatever order `agents` come in.
    """
    able: list[Agent] = []
    unable: dict[Obstacle, int] = {}
    for one in agents:
        why = obstacle(one, queue, members, language)
        if why is None:
            able.append(one)
        else:
            unable[why] = unable.get(why, 0) + 1
    if not able:
        return Choice(None, _nobody(unable))
    best = min(able, key=_turn)
    return Choice(
        best.id, f"{best.load} of {best.capacity} cases, the smallest load of {len(able)}"
    )


def _turn(agent: Agent) -> tuple[float, bool, float, str]:
    was = agent.assigned_at
    return (
        agent.load / agent.capacity,
        was is not None,
        was.timestamp() if was else 0.0,
        agent.id,
    )


def _nobody(unable: Mapping[Obstacle, int]) -> str:
    if not unable:
        return "there are no agents"
    return ", ".join(f"{unable[one]} {one}" for one in Obstacle if one in unable)


def urgency_of(
    case: Case, severity: Severity, order: Sequence[Urgency]
) -> tuple[tuple[bool, float], ...]:
    """What cases of a queue are sorted by: the smallest first. Equals are told apart by number."""
    due = case.deadline_at
    keys = {
        Urgency.DUE: (due is None, due.timestamp() if due else 0.0),
        Urgency.SEVERITY: (False, float(SEVERITIES.index(severity))),
        Urgency.AGE: (False, case.opened_at.timestamp()),
    }
    return tuple(keys[one] for one in order)
