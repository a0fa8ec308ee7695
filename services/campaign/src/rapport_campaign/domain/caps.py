"""How often somebody is written to at most: caps of a workspace over what they were sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from rapport_campaign.domain.model import PROMOTION, SERVICE, Purpose
from rapport_campaign.domain.zones import Clock
from rapport_common.events.consent import CHANNELS, is_channel, normal_channel
from rapport_common.events.contact import ANY_CHANNEL

MAX_CAPS, MOST_ALLOWED = 20, 1000
LONGEST = timedelta(days=366)
Calendar = Literal["day", "week", "month"]
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_UNITS = ("minutes", "hours", "days")


class CapsError(ValueError):
    """Caps that can't be; `where` is the path in them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Period(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rolling time back from now (one of the numbers), or `this` day, week or month so far.

    A week begins on Monday, all of them at midnight where the person is.
    """

    minutes: int | None = None
    hours: int | None = None
    days: int | None = None
    this: Calendar | None = None

    @property
    def rolling(self) -> timedelta | None:
        """How long it is; None of a period of the calendar."""
        if self.this is not None:
            return None
        return timedelta(minutes=self.minutes or 0, hours=self.hours or 0, days=self.days or 0)

    def in_words(self) -> str:
        """Such as `7 days` or `this week`."""
        if self.this is not None:
            return f"this {self.this}"
        [(number, unit)] = [
            (number, unit) for unit in _UNITS if (number := getattr(self, unit)) is not None
        ]
        return f"{number} {unit if number != 1 else unit[:-1]}"


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many messages in a period: of a channel, of a purpose, or of all there are.

    Transactional messages and test sends are not counted and not held back.
    """

    id: str
    at_most: int
    period: Period
    channel: str | None = None
    purpose: Purpose | None = None

    def is_about(self, channel: str, purpose: Purpose) -> bool:
        """Whether a message of a channel and purpose counts."""
        return self.channel in {None, channel} and self.purpose in {None, purpose}


@dataclass(frozen=True, slots=True)
class Reached:
    """A cap that lets no message through, and when it would again, if nothing else was sent."""

    cap: Cap
    count: int
    next_at: datetime


def checked(caps: Sequence[Cap]) -> tuple[Cap, ...]:
    """The caps, channels in normal form; CapsError says what can't be."""
    if len(caps) > MAX_CAPS:
        raise CapsError("caps", f"at most {MAX_CAPS}")
    found = tuple(_checked(f"caps.{place}", one) for place, one in enumerate(caps))
    if len({one.id for one in found}) < len(found):
        raise CapsError("caps", "an id stands there once")
    return found


def _checked(where: str, one: Cap) -> Cap:
    if _ID.fullmatch(one.id) is None:
        raise CapsError(f"{where}.id", "a-z, 0-9, '-' and '_'")
    if not 1 <= one.at_most <= MOST_ALLOWED:
        raise CapsError(f"{where}.at_most", f"1 to {MOST_ALLOWED}")
    given = [unit for unit in (*_UNITS, "this") if getattr(one.period, unit) is not None]
    if len(given) != 1:
        raise CapsError(f"{where}.period", "one of minutes, hours, days and this")
    length = one.period.rolling
    if length is not None and not timedelta(minutes=1) <= length <= LONGEST:
        raise CapsError(f"{where}.period.{given[0]}", "from one minute to 366 days")
    if one.purpose not in {None, PROMOTION, SERVICE}:
        raise CapsError(f"{where}.purpose", f"{PROMOTION}, {SERVICE}, or none of both: all")
    if one.channel is None:
        return one
    channel = normal_channel(one.channel) or ""
    if channel == ANY_CHANNEL or not is_channel(channel):
        known = ", ".join(CHANNELS)
        raise CapsError(f"{where}.channel", f"one of {known}, or none: all of them together")
    return msgspec.structs.replace(one, channel=channel)


def since(period: Period, now: datetime, clock: Clock) -> datetime:
    """From when on messages are counted: behind this instant if rolling, else from it on."""
    length = period.rolling
    return _begin(period.this or "day", now, clock) if length is None else now - length


def reached(cap: Cap, sent: Sequence[datetime], now: datetime, clock: Clock) -> Reached | None:
    """Whether a cap is used up by messages that it is about; None when one more may go.

    `sent` are their times since `since` or before, `now` among them for those just decided on.
    """
    if len(sent) < cap.at_most:
        return None
    start = since(cap.period, now, clock)
    is_rolling = cap.period.rolling is not None
    counted = sorted(
        (at for at in sent if at > start or (at == start and not is_rolling)), reverse=True
    )
    if len(counted) < cap.at_most:
        return None
    return Reached(cap, len(counted), _free_at(cap, counted, now, clock))


def _free_at(cap: Cap, counted: Sequence[datetime], now: datetime, clock: Clock) -> datetime:
    """When as many are out of the period that one more fits."""
    length = cap.period.rolling
    if length is None:
        return _end(cap.period.this or "day", now, clock)
    return counted[cap.at_most - 1] + length


def _begin(calendar: Calendar, now: datetime, clock: Clock) -> datetime:
    today = now.astimezone(clock.zone).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0
    )
    back = {"day": 0, "week": today.weekday(), "month": today.day - 1}[calendar]
    return _instant(today - timedelta(days=back), clock)


def _end(calendar: Calendar, now: datetime, clock: Clock) -> datetime:
    begin = now.astimezone(clock.zone).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0
    )
    if calendar == "day":
        return _instant(begin + timedelta(days=1), clock)
    if calendar == "week":
        return _instant(begin + timedelta(days=7 - begin.weekday()), clock)
    return _instant((begin.replace(day=1) + timedelta(days=32)).replace(day=1), clock)


def _instant(midnight: datetime, clock: Clock) -> datetime:
    # Of a midnight that is skipped this is the moment of the skip, of one that comes twice the
    # first of them.
    return midnight.replace(tzinfo=clock.zone).astimezone(UTC)
