"""When an event happened, by our clock: the rules for `timestamp` and `sentAt`."""

from datetime import UTC, datetime, timedelta

MIN_SKEW = timedelta(seconds=30)
"""Under this, a slow network and a wrong clock look the same; nothing is corrected."""

MAX_READING_AGE = timedelta(days=30)
"""A timestamp this long before `sentAt` was stated by someone, not read from a clock."""

MAX_FUTURE = timedelta(hours=24)
"""Further ahead of us than this nothing can have happened: our own time is used."""


def parse_moment(text: str) -> datetime:
    """An ISO 8601 instant in UTC; without an offset it is UTC. ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        message = "outside the years 1 to 9999"
        raise ValueError(message) from error


def corrected(
    stated: datetime | None, *, sent_at: datetime | None, received_at: datetime
) -> datetime:
    """The time an event happened by our clock.

    Missing: when we received it. A reading of the sender's clock is moved by the difference
    between `sent_at` and `received_at` when that is 30 s or more; a date from a history
    (30 days or more before it was sent) is kept as it is. More than 24 h ahead of us becomes
    `received_at`.
    """
    if stated is None:
        return received_at
    moment = stated
    if sent_at is not None:
        skew = received_at - sent_at
        if abs(skew) >= MIN_SKEW and abs(sent_at - stated) < MAX_READING_AGE:
            moment = _moved(stated, skew, received_at)
    return received_at if moment - received_at > MAX_FUTURE else moment


def _moved(stated: datetime, skew: timedelta, received_at: datetime) -> datetime:
    try:
        return stated + skew
    except OverflowError:
        return received_at
