"""What a member would have if what happened before counted, too: worked out, and kept nowhere."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from rapport_profile.domain.loyalty.facts import Fact
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Versions
from rapport_profile.domain.loyalty.replay import replay
from rapport_profile.domain.loyalty.standing import Standing


class Difference(msgspec.Struct):
    """What would be other than it is, of one member or of many together.

    `people` of whom `events` would count that do not now: they would have earned so many points
    more, of which so many would have `expired` since, and have `points` more by now; `tiers` of
    them would be of another tier.
    """

    people: int = 0
    events: int = 0
    earned: int = 0
    expired: int = 0
    points: int = 0
    tiers: int = 0

    def add(self, other: "Difference") -> None:
        """Together with another one."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def difference(
    versions: tuple[Versions, Versions],
    known: Sequence[Fact],
    told: Sequence[Fact],
    operations: Sequence[Operation],
    now: datetime,
) -> Difference:
    """By the programme's `versions` as they are and as they would be.

    `told`: all that the stored events tell; what of it is among the `known` facts counts already.
    """
    there = {_message(one) for one in known}
    news = [one for one in told if _message(one) not in there]
    if not news:
        return Difference()
    before = replay(versions[0], known, operations, now)
    after = replay(versions[1], [*known, *news], operations, now)
    return Difference(
        people=1,
        events=len(news),
        earned=_earned(after) - _earned(before),
        expired=_expired(after) - _expired(before),
        points=after.points.total - before.points.total,
        tiers=int(after.tier != before.tier),
    )


def _message(fact: Fact) -> tuple[str, str]:
    stamp = fact.content.stamp
    return stamp.source, stamp.message_id


def _earned(standing: Standing) -> int:
    return sum(one.points for one in standing.lots)


def _expired(standing: Standing) -> int:
    return sum(one.expired for one in standing.lots)
