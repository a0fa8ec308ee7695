"""How much of a batch is tried at once, and whose fault a failure is (pure)."""

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiokafka import TopicPartition

Lane = tuple[str, int, bytes]
"""(topic, partition, key): the records of a lane are applied in the order of their offsets."""

PATIENCE_SECONDS = 60.0
MAX_SUSPECTS = 8
"""When so many keys fail one after the other and none succeeds, it is not about the keys."""


Positions = dict[TopicPartition, int]
"""What this member last read or wrote: the next offset of each partition it holds."""

FIRST_WAIT_SECONDS = 0.05
MORE_OF = 16
"""A batch that took too long is followed by ever larger ones, by a sixteenth each."""


class Blame(Enum):
    """Whose fault a passing failure is."""

    WORLD = "world"
    WORK = "work"
    KILLED = "killed"
    """The work's too, and the same again will take as long again."""


@dataclass(slots=True, eq=False)
class Entry:
    """A record of a batch: what it came as, what it was decoded to, or why it can't be applied."""

    raw: Any
    lane: Lane
    version: int | None = None
    record: Any = None
    dead: str | None = None

    def is_live(self, aside: Container[Lane]) -> bool:
        """Whether it is to be applied: neither dead nor of a key that waits."""
        return self.dead is None and self.lane not in aside


def take(
    entries: Sequence[Entry], begin: int, width: int | None, aside: Container[Lane]
) -> Sequence[Entry]:
    """The entries from `begin` on, up to the one that is the `width`-th live; all for None.

    They are a prefix of what is left: a position can only move past what is dealt with.
    """
    if width is None:
        return entries[begin:] if begin else entries
    found = 0
    for end in range(begin, len(entries)):
        found += entries[end].is_live(aside)
        if found == width:
            return entries[begin : end + 1]
    return entries[begin:]


@dataclass(slots=True)
class Suspect:
    """A key that has failed alone, first and last when; `aside` while others are tried."""

    reason: str
    since: float
    failed_at: float
    aside: bool = True


@dataclass(slots=True)
class Evidence:
    """Tells "this key" from "the world".

    A key is guilty when it has failed, others have succeeded, and it has failed again after that.
    While everything fails nobody is. When there are no others for `PATIENCE_SECONDS`, one key may
    park without; the next one not before something has succeeded.
    """

    suspects: dict[Lane, Suspect] = field(default_factory=dict)
    _succeeded_at: float = float("-inf")
    _credit: bool = True

    def aside(self) -> set[Lane]:
        """The keys whose records wait while others are tried."""
        return {lane for lane, one in self.suspects.items() if one.aside}

    def accuse(self, lane: Lane, reason: str, now: float) -> None:
        """Note that a key has failed alone."""
        since = self.suspects[lane].since if lane in self.suspects else now
        self.suspects[lane] = Suspect(reason, since, now)

    def acquit(self, lanes: Iterable[Lane]) -> None:
        """Note that keys are parked, or have succeeded after all."""
        for lane in lanes:
            self.suspects.pop(lane, None)

    def note_success(self, now: float) -> None:
        """Note that records of a key that is not suspected could be applied."""
        self._succeeded_at = now
        self._credit = True

    def try_again(self) -> None:
        """Let the suspects that are not guilty be tried once more."""
        for one in self.suspects.values():
            one.aside = self._is_guilty(one)

    def are_guilty(self, lanes: Iterable[Lane]) -> bool:
        """Whether it is these keys, and not the world."""
        return all(self._is_guilty(self.suspects[lane]) for lane in lanes)

    def nobody_succeeds(self) -> bool:
        """Whether so many fail that it is the world."""
        return sum(not self._is_guilty(one) for one in self.suspects.values()) > MAX_SUSPECTS

    def spend_credit(self, lanes: Collection[Lane], now: float) -> bool:
        """Whether this key may park although there are no others to compare it with."""
        patient = all(now - self.suspects[one].since >= PATIENCE_SECONDS for one in lanes)
        if not (self._credit and patient and len(lanes) == 1):
            return False
        self._credit = False
        return True

    def _is_guilty(self, one: Suspect) -> bool:
        return one.since < self._succeeded_at < one.failed_at


@dataclass(slots=True)
class Course:
    """How far a batch has been applied, and how much of it is tried at once."""

    topic: str
    entries: Sequence[Entry]
    positions: Positions
    width: int | None
    begin: int = 0
    tries: int = 0
    wait: float = FIRST_WAIT_SECONDS
    most: int | None = None
    """More at once take too long: the server has ended them, which was work for nothing."""

    @property
    def more(self) -> int:
        """How many the next batch may try at once: records get cheaper, too."""
        most = self.most or 0
        return most + most // MORE_OF + 1

    def widen(self) -> None:
        """Try more at once: the last part could be applied."""
        if self.width is not None:
            self.narrow(min(2 * self.width, self.most or 2 * self.width))

    def narrow(self, width: int | None) -> None:
        """Try so many records at once from now on; None for all that are left."""
        self.width, self.tries, self.wait = width, 0, FIRST_WAIT_SECONDS
