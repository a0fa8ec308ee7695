"""How often a person is asked: two clocks, each by its name, and a date on which each opens.

*Any survey* counts from the newest invitation of any kind, *this survey* from the newest to the
same survey. Both must be open; the one that opens last is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

ANY_SURVEY_DAYS, THIS_SURVEY_DAYS = 30, 90
MAX_DAYS = 3650
MAX_SURVEYS = 500
Days = Annotated[int, Meta(ge=0, le=MAX_DAYS)]
Clock = Literal["any_survey", "this_survey"]

History = Mapping[UUID, datetime]
"""When a person was last invited, by survey: to all their identifiers together."""


class Exemption(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The clocks of one survey, in place of the policy's; 0: this clock does not hold for it."""

    any_survey_days: Days | None = None
    this_survey_days: Days | None = None


class ContactPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """What a workspace has decided; `surveys` are exemptions by the ids of surveys."""

    any_survey_days: Days = ANY_SURVEY_DAYS
    this_survey_days: Days = THIS_SURVEY_DAYS
    surveys: Annotated[dict[str, Exemption], Meta(max_length=MAX_SURVEYS)] = field(
        default_factory=dict
    )

    def days(self, survey_id: UUID) -> dict[Clock, int]:
        """How many days each clock asks for, for a survey."""
        own = self.surveys.get(str(survey_id), _NO_EXEMPTION)
        whole, this = own.any_survey_days, own.this_survey_days
        return {
            "any_survey": self.any_survey_days if whole is None else whole,
            "this_survey": self.this_survey_days if this is None else this,
        }


_NO_EXEMPTION = Exemption()


@dataclass(frozen=True, slots=True)
class Closed:
    """Which clock is against it: since the invitation at `since`, until `opens_at`."""

    clock: Clock
    since: datetime
    opens_at: datetime


def why_not(
    history: History, survey_id: UUID, policy: ContactPolicy, now: datetime
) -> Closed | None:
    """What is against inviting a person to a survey now; None when nothing is.

    An invitation from the future (another process's clock) counts as what it is: it opens later.
    """
    days = policy.days(survey_id)
    newest: dict[Clock, datetime | None] = {
        "any_survey": max(history.values(), default=None),
        "this_survey": history.get(survey_id),
    }
    closed = [
        Closed(clock, since, since + timedelta(days=days[clock]))
        for clock, since in newest.items()
        if since is not None and days[clock] > 0
    ]
    last = max(closed, key=lambda one: one.opens_at, default=None)
    return last if last is not None and last.opens_at > now else None


def united(histories: Iterable[History]) -> dict[UUID, datetime]:
    """The history of somebody who was taken for several: the newest of each survey."""
    found: dict[UUID, datetime] = {}
    for history in histories:
        for survey_id, at in history.items():
            found[survey_id] = max(at, found.get(survey_id, at))
    return found
