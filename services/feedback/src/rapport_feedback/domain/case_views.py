"""Views of the inbox: which cases, in which order, with which columns. Declared as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from rapport_feedback.domain.case_fields import Severity
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.desk import Desk

ME, NOBODY, MINE = "@me", "@nobody", "@mine"
"""In `owners`: who asks, nobody; in `teams`: those of who asks."""

MOST_VALUES = 100
COLUMNS = (
    *("number", "state", "subject", "owner", "queue", "team", "severity", "category", "product"),
    *("tier", "channel", "language", "order_id", "opened_at", "due_at", "overdue_at", "email"),
    *("user_id", "version", "viewers"),
)
USUAL_COLUMNS = ("number", "state", "severity", "subject", "queue", "owner", "due_at")


class Sort(StrEnum):
    """The order of a view: the earliest limit that runs, or the number."""

    DUE = "due"
    NEWEST = "newest"
    OLDEST = "oldest"


class Filters(msgspec.Struct, frozen=True):
    """Cases that have one of the values of each list that has any; no `state`: all but closed."""

    state: tuple[State, ...] = ()
    owner: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    severity: tuple[Severity, ...] = ()
    category: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    tier: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    overdue: bool = False


class ViewDocument(msgspec.Struct, frozen=True):
    """A view as it is declared and kept."""

    title: str = ""
    filters: Filters = Filters()
    sort: Sort = Sort.DUE
    columns: tuple[str, ...] = USUAL_COLUMNS


SHIPPED = {
    "mine": ViewDocument("Mine", Filters(owner=(ME,))),
    "open": ViewDocument("Open"),
    "overdue": ViewDocument("Overdue", Filters(overdue=True)),
    "team": ViewDocument("My teams", Filters(team=(MINE,))),
    "unassigned": ViewDocument("Unassigned", Filters(owner=(NOBODY,))),
    "waiting": ViewDocument("Waiting", Filters(state=(State.WAITING_CUSTOMER,))),
}
"""Views that are there until a workspace has others of these names."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A view for who asks: what is looked for in the columns of cases.

    `teams`, if not None: cases of these teams, or in `queues`, which are theirs.
    """

    states: tuple[State, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]
    teams: tuple[str, ...] | None
    queues: tuple[str, ...]
    overdue: bool
    sort: Sort


def asked(view: ViewDocument, agent: str, desk: Desk) -> Asked:
    """The view as `agent` sees it."""
    filters = view.filters
    wanted: dict[str, Sequence[str]] = {
        name: getattr(filters, name)
        for name in ("severity", "category", "product", "tier", "channel", "language", "queue")
    }
    wanted["owner"] = [{ME: agent, NOBODY: ""}.get(one, one) for one in filters.owner]
    states = filters.state or tuple(one for one in State if one is not State.CLOSED)
    teams = queues = None
    if filters.team:
        named = {
            name
            for one in filters.team
            for name in (desk.teams_of(agent) if one == MINE else [one])
        }
        teams = tuple(sorted(named))
        queues = tuple(sorted(name for name, one in desk.queues.items() if one.team in named))
    return Asked(
        states=states,
        columns=tuple((name, tuple(values)) for name, values in wanted.items() if values),
        teams=teams,
        queues=queues or (),
        overdue=filters.overdue,
        sort=view.sort,
    )
