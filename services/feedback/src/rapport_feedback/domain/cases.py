"""Complaint cases by ISO 10002: states, what may follow what, and the clocks."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from rapport_common.errors import ConflictError
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.naming import Contact


class State(StrEnum):
    """Where a complaint stands."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    ASSESSED = "assessed"
    INVESTIGATING = "investigating"
    WAITING_CUSTOMER = "waiting_customer"
    RESPONSE_OFFERED = "response_offered"
    ESCALATED_INTERNAL = "escalated_internal"
    ESCALATED_EXTERNAL = "escalated_external"
    CLOSED = "closed"
    REOPENED = "reopened"


# A refused response escalates inside first; outside (an ombudsman, a court) the case can only be
# settled there. A reopened case begins again with an acknowledgement, on new clocks.
NEXT: dict[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.ACKNOWLEDGED}),
    State.ACKNOWLEDGED: frozenset({State.ASSESSED}),
    State.ASSESSED: frozenset({State.INVESTIGATING, State.RESPONSE_OFFERED}),
    State.INVESTIGATING: frozenset({State.WAITING_CUSTOMER, State.RESPONSE_OFFERED}),
    State.WAITING_CUSTOMER: frozenset({State.INVESTIGATING}),
    State.RESPONSE_OFFERED: frozenset({State.CLOSED, State.ESCALATED_INTERNAL}),
    State.ESCALATED_INTERNAL: frozenset({State.RESPONSE_OFFERED, State.ESCALATED_EXTERNAL}),
    State.ESCALATED_EXTERNAL: frozenset({State.CLOSED}),
    State.CLOSED: frozenset({State.REOPENED}),
    State.REOPENED: frozenset({State.ACKNOWLEDGED}),
}
UNACKNOWLEDGED = frozenset({State.RECEIVED, State.REOPENED})


class Clock(StrEnum):
    """What a case has a limit for."""

    ACKNOWLEDGE = "acknowledge"
    FIRST_RESPONSE = "first_response"
    NEXT_UPDATE = "next_update"
    RESOLVE = "resolve"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Case:
    """The part of a case that moves. `step` counts its steps from 1, `version` all changes.

    `acknowledge_due_at` and `due_at` are the newest limits of these clocks (None: there is none, or
    it is paused), `deadline_at` the earliest of all that run.
    """

    state: State
    step: int
    opened_at: datetime
    version: int = 1
    acknowledge_due_at: datetime | None = None
    due_at: datetime | None = None
    deadline_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """A case with what it is about and whose it is; `number` counts in the workspace.

    `heir_id`: it was merged into another one, and this one goes on.
    """

    workspace: str
    case_id: UUID
    number: int
    contact: Contact
    subject: str
    body: str
    case: Case
    fields: Fields = field(default_factory=Fields)
    heir_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a case's history, with the limits as they were from then on."""

    step: int
    actor: str
    at: datetime
    from_state: State | None
    to_state: State
    note: str
    acknowledge_due_at: datetime | None
    due_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that has passed while it ran: `at` it was noted, `due_at` is the limit."""

    clock: Clock
    due_at: datetime
    at: datetime


class IllegalMoveError(ConflictError):
    """The state machine does not allow this step; `details.allowed` lists what it does."""

    code = "illegal_transition"


def begin(now: datetime) -> Case:
    """A new complaint, no clock running yet."""
    return Case(state=State.RECEIVED, step=1, opened_at=now)


def move(case: Case, to: State, reopen: timedelta, now: datetime) -> Case:
    """The case after one step; IllegalMoveError when the step is not allowed.

    `reopen`: for so long a closed case can be reopened.
    """
    _require(case, to, reopen, now)
    closed_at = now if to is State.CLOSED else None
    return replace(
        case, state=to, step=case.step + 1, version=case.version + 1, closed_at=closed_at
    )


def step_of(case: Case, before: State | None, *, actor: str, note: str, now: datetime) -> Step:
    """The line of history that says how `case` came to be as it is."""
    return Step(
        step=case.step,
        actor=actor,
        at=now,
        from_state=before,
        to_state=case.state,
        note=note,
        acknowledge_due_at=case.acknowledge_due_at,
        due_at=case.due_at,
        version=case.version,
    )


def _require(case: Case, to: State, reopen: timedelta, now: datetime) -> None:
    allowed = allowed_from(case, reopen, now)
    if to in allowed:
        return
    choice = ", ".join(sorted(allowed)) or "nothing: open a new case"
    message = f"A case that is {case.state} can't become {to}. Possible now: {choice}."
    raise IllegalMoveError(message, details={"state": case.state, "allowed": sorted(allowed)})


def allowed_from(case: Case, reopen: timedelta, now: datetime) -> frozenset[State]:
    """The states that may follow; a closed case can be reopened only for a while."""
    if case.closed_at is not None and now - case.closed_at > reopen:
        return frozenset()
    return NEXT[case.state]


def overdue_at(case: Case, now: datetime) -> datetime | None:
    """Since when the case is overdue: the earliest limit that still runs, if that has passed."""
    limit = case.deadline_at
    return limit if limit is not None and now > limit else None


def is_overdue(case: Case, now: datetime) -> bool:
    """Whether a limit that still runs has passed."""
    return overdue_at(case, now) is not None
