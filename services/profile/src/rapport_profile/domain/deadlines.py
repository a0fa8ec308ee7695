"""Until when what somebody asks for has to be done, by the law that the installation goes by."""

from datetime import datetime, timedelta
from typing import Final, Literal, get_args

Law = Literal["gdpr", "pipl"]
LAWS: Final[tuple[Law, ...]] = get_args(Law)

MONTH: Final = timedelta(days=30)
"""Article 12(3) GDPR: a month; the shortest that is one everywhere would be 28."""
WORKING_DAYS: Final = 15
"""What practice under Article 50 PIPL takes for timely: working days, public holidays not known."""
_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


def due_at(asked: datetime, law: Law) -> datetime:
    """Until when what was asked for has to be done."""
    return asked + MONTH if law == "gdpr" else _moved(asked, _DAY)


def overdue_before(now: datetime, law: Law) -> datetime:
    """What was asked for before this is overdue, if it is not done."""
    return now - MONTH if law == "gdpr" else _moved(now, -_DAY)


def _moved(at: datetime, day: timedelta) -> datetime:
    left = WORKING_DAYS
    while left:
        at += day
        left -= at.weekday() < _SATURDAY
    return at
