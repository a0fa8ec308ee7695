"""What waits to be sent and what is on its way: which records go together, and in which order."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar


class Keyed(Protocol):
    """A record, as far as its order and its size matter."""

    @property
    def key(self) -> bytes:
        """Records of one key keep their order."""

    @property
    def value(self) -> bytes:
        """The bytes it takes."""


Sent = TypeVar("Sent", bound=Keyed)


class Entry(Generic[Sent]):
    """The records of one call, the future its caller awaits, and until when (monotonic s)."""

    __slots__ = ("deadline", "future", "records")

    def __init__(
        self, records: Sequence[Sent], future: "asyncio.Future[None]", deadline: float
    ) -> None:
        self.records = records
        self.future = future
        self.deadline = deadline

    def size(self) -> int:
        """Bytes of its records' values."""
        return sum(len(one.value) for one in self.records)


class Flight(Generic[Sent]):
    """Entries that are sent together, the keys in them, and since when (monotonic s)."""

    __slots__ = ("entries", "keys", "since")

    def __init__(self, entries: Sequence[Entry[Sent]], keys: set[bytes], since: float) -> None:
        self.entries = entries
        self.keys = keys
        self.since = since


class Grouping(Generic[Sent]):
    """Entries wait here until a flight takes them; flights overlap, but never with a common key.

    So what is sent under one key keeps the order of the calls, whichever flight ends first and
    whether it fails: an entry waits while one of its keys is on its way, or waits before it.
    """

    def __init__(self) -> None:
        self._waiting: list[Entry[Sent]] = []
        self._flights: list[Flight[Sent]] = []
        self.abandoned = 0
        """Bytes on their way whose callers have given up; as of the last `tidy` or `land`."""

    @property
    def waiting(self) -> int:
        """How many entries wait."""
        return len(self._waiting)

    @property
    def flying(self) -> int:
        """How many flights are on their way."""
        return len(self._flights)

    @property
    def oldest(self) -> float | None:
        """Since when the oldest flight is on its way; None without one."""
        return self._flights[0].since if self._flights else None

    def put(self, entry: Entry[Sent]) -> None:
        """Let an entry wait for the next flight."""
        self._waiting.append(entry)

    def take(self, now: float) -> Flight[Sent] | None:
        """Everything that may go now, as a flight that has started; None when nothing may."""
        busy: set[bytes] = set()
        for flight in self._flights:
            busy |= flight.keys
        entries: list[Entry[Sent]] = []
        held: list[Entry[Sent]] = []
        keys: set[bytes] = set()
        for entry in self._waiting:
            if entry.future.done():
                continue
            own = {one.key for one in entry.records}
            if busy.isdisjoint(own):
                entries.append(entry)
                keys |= own
            else:
                held.append(entry)
                busy |= own  # those behind it wait for it, too
        self._waiting = held
        if not entries:
            return None
        flight = Flight(entries, keys, now)
        self._flights.append(flight)
        return flight

    def land(self, flight: Flight[Sent]) -> None:
        """A flight has ended, well or not: its keys are free."""
        self._flights.remove(flight)
        if self.abandoned:
            self._count()

    def late(self, now: float) -> list[Entry[Sent]]:
        """The entries whose time is up and whose callers don't know it yet."""
        return [one for one in self.entries() if one.deadline <= now and not one.future.done()]

    def tidy(self) -> None:
        """Forget what has been given up before it was sent, and count what was sent."""
        self._waiting = [one for one in self._waiting if not one.future.done()]
        self._count()

    def entries(self) -> Iterator[Entry[Sent]]:
        """All entries, those on their way first."""
        for flight in self._flights:
            yield from flight.entries
        yield from self._waiting

    def _count(self) -> None:
        self.abandoned = sum(
            one.size() for flight in self._flights for one in flight.entries if one.future.done()
        )
