"""What feeds have answered a moment ago, and which of them fail: bounded, in one process.

Times are seconds of one clock that only goes forward.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from rapport_campaign.domain.delivery import backoff
from rapport_campaign.handlers.feed_asking import FeedError

MOST_BYTES = 32 * 2**20
MOST_KEPT = 10_000
MOST_FAILING = 10_000
MOST_OWNERS = 20
"""An answer that so many people have is about none of them."""
LONGEST_SECONDS = 3600.0
"""So long an answer is kept, as the last good one: what is a person's goes within the hour."""
FIRST_REST, MOST_REST = 1.0, 60.0
FINAL_SECONDS = 60.0
"""So long what can't be used is believed to stay so."""
FORGOTTEN_SECONDS = 2 * MOST_REST
"""So long after it could have been asked again a failure says something about now."""

Place = tuple[str, str, int, str]
"""A workspace, a feed of it, its version, and the address (or the run) it is asked for."""
Owner = tuple[str, str]
"""A workspace and a profile of it."""


@dataclass(slots=True)
class Answer:
    """An answer, of how many bytes; fresh until `until`. `owners`: for whom it was asked."""

    data: Any
    size: int
    at: float
    until: float
    owners: set[Owner] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Failing:
    """No answer since `since`, and why; asked again at `again`. `final`: it is no use to wait."""

    since: float
    tries: int
    reason: str
    again: float
    final: bool


class Memory:
    """Answers and failures; what was used least goes first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._answers: OrderedDict[Place, Answer] = OrderedDict()
        self._failing: OrderedDict[Place, Failing] = OrderedDict()
        self._bytes = 0

    def answer(self, place: Place, owner: Owner, now: float) -> Answer | None:
        """What counts now."""
        found = self._answers.get(place)
        if found is None or found.until <= now:
            return None
        self._answers.move_to_end(place)
        if len(found.owners) < MOST_OWNERS:
            found.owners.add(owner)
        return found

    def last_good(self, place: Place, now: float, seconds: float) -> Answer | None:
        """What counted at most so many seconds ago."""
        found = self._answers.get(place)
        return found if found is not None and now - found.at <= seconds else None

    def failing(self, place: Place, now: float) -> Failing | None:
        """Since when there is no answer; None where it was not asked for since long ago."""
        found = self._failing.get(place)
        return None if found is None or now - found.again > FORGOTTEN_SECONDS else found

    def put(self, place: Place, answer: Answer) -> None:
        """Keep an answer; nothing fails any more."""
        self._failing.pop(place, None)
        self._drop(place)
        self._answers[place] = answer
        self._bytes += answer.size
        while self._answers and (self._bytes > self._most_bytes or len(self._answers) > MOST_KEPT):
            self._drop(next(iter(self._answers)))

    def fail(self, place: Place, error: FeedError, now: float, jitter: float) -> None:
        """Note that there was no answer; `jitter` is in [0, 1)."""
        before = self.failing(place, now)
        self._failing.pop(place, None)
        tries = before.tries + 1 if before else 1
        rest = min(backoff(tries, FIRST_REST, jitter), MOST_REST) if error.passing else 0.0
        again = now + max(rest if error.passing else FINAL_SECONDS, error.wait)
        since = before.since if before and not before.final else now
        self._failing[place] = Failing(since, tries, error.reason, again, not error.passing)
        while len(self._failing) > MOST_FAILING:
            self._failing.popitem(last=False)

    def owners(self) -> set[Owner]:
        """For whom something is kept."""
        return {owner for one in self._answers.values() for owner in one.owners}

    def forget(self, gone: Collection[Owner], now: float) -> None:
        """Let go what was asked for these people, and what is too old to be good for anything."""
        for place, one in list(self._answers.items()):
            if now - one.at > LONGEST_SECONDS or not one.owners.isdisjoint(gone):
                self._drop(place)

    def _drop(self, place: Place) -> None:
        found = self._answers.pop(place, None)
        if found is not None:
            self._bytes -= found.size
