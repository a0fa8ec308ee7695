"""Winds the clocks of cases: by what has happened to them, and by the policy that holds now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.publisher import Publisher
from rapport_feedback.domain import winding as rules
from rapport_feedback.domain.cases import Complaint
from rapport_feedback.domain.clocks import Moment, Outcome, all_laps
from rapport_feedback.domain.policies import Policies
from rapport_feedback.domain.winding import Kept, Key
from rapport_feedback.handlers.deadlines import Passed, watch
from rapport_feedback.store import case_clocks


@dataclass(frozen=True)
class Wound:
    """A case with its limits, its laps, and what is to be told of those that ended too late."""

    complaint: Complaint
    kept: Sequence[Kept]
    changed: Sequence[Kept]


async def wind(
    tx: AsyncConnection,
    complaint: Complaint,
    known: Policies,
    now: datetime,
    happened: Moment | None = None,
) -> Wound:
    """The clocks of a locked case after what has `happened`, which is not stored yet (None:
    nothing has, but the policy may be another). Nothing is written.
    """
    place = complaint.workspace, complaint.case_id
    moments = await case_clocks.moments(tx, *place)
    if happened is not None:
        moments.append(happened)
    before = await case_clocks.of_case(tx, *place)
    since = None if happened is None else happened.at
    return rewound(complaint, before, moments, known, now=now, since=since)


def rewound(
    complaint: Complaint,
    before: Mapping[Key, Kept],
    moments: Sequence[Moment],
    known: Policies,
    *,
    now: datetime,
    since: datetime | None,
) -> Wound:
    """The same of all that has happened to a case, with its laps as they were; of a new one there
    are none.
    """
    chosen = known.of(complaint.fields)
    kept = rules.wound(before, all_laps(chosen.rules, moments), chosen, now=now, since=since)
    case = rules.with_limits(complaint.case, kept.values())
    changed = [one for key, one in kept.items() if before.get(key) != one]
    return Wound(replace(complaint, case=case), list(kept.values()), changed)


async def keep(tx: AsyncConnection, publisher: Publisher, wound: Wound, now: datetime) -> None:
    """Write the clocks of a case that is stored, and let them run.

    One that has ended too late before the worker has seen that is noted here.
    """
    passed = Passed()
    place = wound.complaint.workspace, wound.complaint.case_id
    for one in wound.changed:
        late = one.lap.outcome is Outcome.BREACHED and one.breached_at is None
        after = passed.note_ended(wound.complaint, one, now) if late else one
        passed.laps.append((place, after))
    await passed.keep(tx, publisher, {})
    await watch(tx, wound.complaint, wound.kept)
