"""When an event happened, by our clock: the rules for `timestamp` and `sentAt`."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from math import isfinite

MIN_SKEW = timedelta(seconds=30)
"""Under this, a slow network and a wrong clock look the same; nothing is corrected."""

MAX_READING_AGE = timedelta(days=30)
"""A timestamp this long before `sentAt` was stated by someone, not read from a clock."""

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Nothing that customers did is known from before: an earlier time is a clock that was never set,
or a field that was never filled (`0001-01-01`, the epoch 0)."""

MAX_FUTURE = timedelta(hours=24)
"""Further ahead of us than this nothing can have happened: our own time is used."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""What a time reads as that is outside the calendar."""

SECONDS_UNTIL = 10**11
"""Numbers below are seconds since 1970: up to the year 5138. Milliseconds, microseconds and
nanoseconds have three, six and nine digits more, so that each kind has its own magnitude."""

DAY_DIGITS = 8
"""Eight digits that are a day of the calendar (`20260131`) are that day."""

STEP = 1000
MICROSECONDS_OF = (1_000_000, 1000, 1)

_NUMBER = re.compile(r"[+-]?[0-9]{1,22}(?:\.[0-9]{1,12})?")
_ZERO_DATE = re.compile(r"0000-00-00(?:[T ].*)?")


def parse_moment(stated: object, zone: tzinfo = UTC) -> datetime:
    """An instant in UTC from ISO 8601, or from a number or its digits (see `epoch_moment`).

    Without an offset it is of `zone`. What is outside the calendar in UTC, and MySQL's date of
    zeros, is `NEVER`: a time that was never set. ValueError for all else, TypeError for what is
    neither a text nor a number.
    """
    if not isinstance(stated, str):
        return epoch_moment(stated)
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        return _parse_other(stated.strip(), zone)
    if moment.tzinfo is UTC:
        return moment
    if len(stated) != DAY_DIGITS and _NUMBER.fullmatch(stated):
        return epoch_moment(Decimal(stated))  # 13 digits can look like a date and a time
    return _placed(moment, zone)


def _parse_other(text: str, zone: tzinfo) -> datetime:
    if _NUMBER.fullmatch(text):
        return epoch_moment(Decimal(text))
    if _ZERO_DATE.fullmatch(text):
        return NEVER
    return _placed(datetime.fromisoformat(text), zone)


def _placed(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        return NEVER


def epoch_moment(number: object) -> datetime:
    """The instant of a Unix time, its unit told by its magnitude.

    Below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds, below 10^20
    nanoseconds; so each unit has the years 1973 (for milliseconds and finer) to 5138.
    """
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        raise TypeError
    if isinstance(number, int):
        # An integer of JSON has any number of digits, of which a float has 308 at most.
        size = abs(number)
    elif isfinite(number):
        size = abs(int(number))
    else:
        raise ValueError
    limit = SECONDS_UNTIL
    for microseconds in MICROSECONDS_OF:
        if size < limit:
            return _since_epoch(round(Decimal(str(number)) * microseconds))
        limit *= STEP
    if size < limit:
        return _since_epoch(int(number) // STEP)
    raise ValueError


def _since_epoch(microseconds: int) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return NEVER


def is_unix(text: str) -> bool:
    """Whether a text is a number and no day of the calendar written in eight digits."""
    return _NUMBER.fullmatch(text.strip()) is not None


def iso_moment(stated: object) -> str | None:
    """ISO 8601 in UTC of what `parse_moment` reads; None where it reads none."""
    try:
        return parse_moment(stated).isoformat()
    except (TypeError, ValueError):
        return None


class SenderClock:
    """The clock of whoever sent a request, against ours.

    A reading of it is moved by the difference between `sent_at` and `received_at` when that is
    30 s or more; a date from a history (30 days or more before it was sent) is kept as it is.
    Before 1990, and more than 24 h ahead of us, becomes `received_at`.
    """

    __slots__ = ("_latest", "_sent_at", "_skew", "received_at")

    def __init__(self, sent_at: datetime | None, received_at: datetime) -> None:
        self.received_at = received_at
        self._sent_at = sent_at
        self._skew = None if sent_at is None else _skew(sent_at, received_at)
        self._latest = received_at + MAX_FUTURE

    def corrected(self, stated: datetime, sent_at: datetime | None = None) -> datetime:
        """The time by our clock of what happened at `stated` by the sender's.

        `sent_at` is the event's own, where it has one. The very object `received_at` where `stated`
        is not plausible.
        """
        if sent_at is None:
            sent_at, skew = self._sent_at, self._skew
        else:
            skew = _skew(sent_at, self.received_at)
        moment = stated
        if skew is not None and sent_at is not None and abs(sent_at - stated) < MAX_READING_AGE:
            moment = _moved(stated, skew, self.received_at)
        return moment if EARLIEST <= moment <= self._latest else self.received_at


def _skew(sent_at: datetime, received_at: datetime) -> timedelta | None:
    """By how much the sender's clock is wrong, if that can be told."""
    skew = received_at - sent_at
    return None if -MIN_SKEW < skew < MIN_SKEW else skew


def _moved(stated: datetime, skew: timedelta, received_at: datetime) -> datetime:
    try:
        return stated + skew
    except OverflowError:
        return received_at
