"""What is kept of a case's clocks: what has ended stays, what runs goes by the policy of now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rapport_feedback.domain.cases import Case, Clock
from rapport_feedback.domain.clocks import Lap, Outcome
from rapport_feedback.domain.policies import Chosen

Key = tuple[Clock, int]
"""A clock and which of its laps."""

_FINAL = frozenset({Outcome.MET, Outcome.BREACHED})


@dataclass(frozen=True, slots=True)
class Kept:
    """A lap as it is kept, by which version of which policy, and what of it has been told.

    `breached_at`: its limit was noted as missed then; `escalated` of its escalations were told.
    """

    lap: Lap
    policy: str
    policy_version: int
    warned: bool = False
    breached_at: datetime | None = None
    escalated: int = 0

    @property
    def key(self) -> Key:
        """Which lap of which clock."""
        return self.lap.clock, self.lap.number

    @property
    def next_at(self) -> datetime | None:
        """When something is to be told of it next; None: nothing more, or not while it is so."""
        lap = self.lap
        if lap.outcome is not None or lap.due_at is None:
            return None
        if self.breached_at is None:
            warning = lap.warn_at if lap.warn_at is not None and not self.warned else None
            return min(lap.due_at, warning or lap.due_at)
        return min((at for at, _to in lap.escalations[self.escalated :]), default=None)


def wound(
    kept: Mapping[Key, Kept],
    folded: Mapping[Key, Lap],
    chosen: Chosen,
    *,
    now: datetime,
    since: datetime | None,
) -> dict[Key, Kept]:
    """All laps of a case as they are to be kept.

    `folded` are those by the policy of now. One that was never kept and had ended before `since`
    (None: before now) is of a clock that the case did not have then: it is left out.
    """
    result = dict(kept)
    for key, lap in folded.items():
        before = kept.get(key)
        if before is None:
            if lap.ended_at is None or (since is not None and lap.ended_at >= since):
                result[key] = Kept(lap, chosen.name, chosen.version)
        elif before.lap.outcome not in _FINAL and not (
            before.lap.outcome is Outcome.DROPPED and lap.outcome is not None
        ):
            result[key] = _again(before, lap, chosen, now)
    for key, before in kept.items():
        if key not in folded and before.lap.outcome is None:
            gone = replace(before.lap, ended_at=now, outcome=Outcome.DROPPED, paused=False)
            result[key] = replace(before, lap=gone)
    return result


def _again(before: Kept, lap: Lap, chosen: Chosen, now: datetime) -> Kept:
    same = replace(before, lap=lap, policy=chosen.name, policy_version=chosen.version)
    if lap.due_at == before.lap.due_at:
        return same
    # Another limit, of which nothing was told. What was warned of lately is not repeated at once.
    warned = before.warned and (lap.warn_at is None or lap.warn_at <= now)
    return replace(same, warned=warned, breached_at=None, escalated=0)


def with_limits(case: Case, kept: Iterable[Kept]) -> Case:
    """The case with the limits that its clocks have."""
    laps = [one.lap for one in kept]
    running = [one.due_at for one in laps if one.outcome is None and one.due_at is not None]
    return replace(
        case,
        acknowledge_due_at=_newest(laps, Clock.ACKNOWLEDGE),
        due_at=_newest(laps, Clock.RESOLVE) or _newest(laps, Clock.EXTERNAL),
        deadline_at=min(running, default=None),
    )


def _newest(laps: Sequence[Lap], clock: Clock) -> datetime | None:
    there = [one for one in laps if one.clock is clock and one.outcome is not Outcome.DROPPED]
    return max(there, key=lambda one: one.number).due_at if there else None
