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


class SenderClock:
    """The clock of whoever sent a request, against ours.

    A reading of it is moved by the difference between `sent_at` and `received_at` when that is
    30 s or more; a date from a history (30 days or more before it was sent) is kept as it is.
    More than 24 h ahead of us becomes `received_at`.
    """

    __slots__ = ("_latest", "_sent_at", "_skew", "received_at")

    def __init__(self, sent_at: datetime | None, received_at: datetime) -> None:
        skew = None if sent_at is None else received_at - sent_at
        self.received_at = received_at
        self._sent_at = sent_at
        self._skew = skew if skew is not None and abs(skew) >= MIN_SKEW else None
        self._latest = received_at + MAX_FUTURE

    def corrected(self, stated: datetime) -> datetime:
        """The time by our clock of what happened at `stated` by the sender's."""
        moment = stated
        if (
            self._skew is not None
            and self._sent_at is not None
            and abs(self._sent_at - stated) < MAX_READING_AGE
        ):
            moment = _moved(stated, self._skew, self.received_at)
        return self.received_at if moment > self._latest else moment


def _moved(stated: datetime, skew: timedelta, received_at: datetime) -> datetime:
    try:
        return stated + skew
    except OverflowError:
        return received_at
