"""What rules ask of events: whether and how often they happened, what they add up to, and in which
order they came.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rapport_segment.domain.sections import HAPPENED, IDENTIFIERS
from rapport_segment.domain.windows import NEVER, Calendar, Duration, Rolling, Span

if TYPE_CHECKING:
    from rapport_segment.domain.subjects import Field, Trait
    from rapport_segment.domain.tree import Leaf

AMOUNTS = ("sum", "average", "min", "max", "distinct")
"""What is made of a property of events."""

Amount = Literal["count", "sum", "average", "min", "max", "distinct"]
PLACES = ("first", "last", "nth")


@dataclass(frozen=True, slots=True)
class Between:
    """From an instant on, and before another; None: without an end on that side."""

    after: datetime | None
    before: datetime | None

    def span(self, moment: datetime) -> Span:
        """When `moment` lies in it: always, or never."""
        is_early = self.after is not None and moment < self.after
        is_late = self.before is not None and moment >= self.before
        return (moment, moment) if is_early or is_late else (moment, NEVER)


EventWindow = Rolling | Calendar | Between


@dataclass(frozen=True, slots=True)
class Events:
    """Those of a name whose properties fit all of `where`, and that lie in the window, if any."""

    name: str
    where: "tuple[Leaf, ...]" = ()
    window: EventWindow | None = None

    sections: ClassVar[int] = 1 << IDENTIFIERS

    @property
    def fields(self) -> "frozenset[Field]":
        return frozenset({(HAPPENED, self.name)})

    def span(self, moment: datetime) -> Span:
        """For which times of looking an event of this instant counts; never before it."""
        if self.window is None:
            return moment, NEVER
        first, behind = self.window.span(moment)
        return max(first, moment), behind


@dataclass(frozen=True, slots=True)
class Performed:
    """There is such an event."""

    events: Events

    sections: ClassVar[int] = Events.sections

    @property
    def label(self) -> str:
        return f"performed {self.events.name}"

    @property
    def fields(self) -> "frozenset[Field]":
        return self.events.fields


@dataclass(frozen=True, slots=True)
class Total:
    """How many such events there are, or what a property of them comes to."""

    amount: Amount
    events: Events
    of: "Trait | None" = None

    sections: ClassVar[int] = Events.sections

    @property
    def label(self) -> str:
        return f"{self.amount} {f'{self.of.name} of ' if self.of else ''}{self.events.name}"

    @property
    def fields(self) -> "frozenset[Field]":
        return self.events.fields


@dataclass(frozen=True, slots=True)
class Nth:
    """When the first, the last, or the nth of such events was."""

    which: Literal["first", "last", "nth"]
    events: Events
    number: int = 1

    sections: ClassVar[int] = Events.sections

    @property
    def label(self) -> str:
        which = f"{self.number}." if self.which == "nth" else self.which
        return f"{which} {self.events.name}"

    @property
    def fields(self) -> "frozenset[Field]":
        return self.events.fields


@dataclass(frozen=True, slots=True)
class Told:
    """What a property of the first, the last, or the nth of such events is."""

    which: Literal["first", "last", "nth"]
    events: Events
    of: "Trait"
    number: int = 1

    sections: ClassVar[int] = Events.sections

    @property
    def label(self) -> str:
        which = f"{self.number}." if self.which == "nth" else self.which
        return f"{self.of.name} of {which} {self.events.name}"

    @property
    def fields(self) -> "frozenset[Field]":
        return self.events.fields


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody last answered: in surveys of a kind, or in one of them by its id.

    `meant` is the same comparison, said of events.
    """

    kind: str
    survey: str | None
    meant: "Leaf"

    sections: ClassVar[int] = Events.sections

    @property
    def label(self) -> str:
        return f"answer {self.kind}{f' of {self.survey}' if self.survey else ''}"

    @property
    def events(self) -> Events:
        """The answers."""
        subject: Any = self.meant.subject
        found: Events = subject.events
        return found

    @property
    def fields(self) -> "frozenset[Field]":
        return self.events.fields


@dataclass(frozen=True, slots=True)
class Then:
    """A step of a sequence: such an event later than the one before, and less than `within` later.

    `absent`: there is none, which is known when that time has passed.
    """

    events: Events
    within: Duration | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Events that came one after the other; the first lies in the window of `first`.

    Of the properties `same` all of them have the same value.
    """

    first: Events
    then: tuple[Then, ...]
    same: "tuple[Trait, ...]" = ()

    sections: ClassVar[int] = Events.sections

    @property
    def label(self) -> str:
        words = [self.first.name]
        words += [f"{'no ' if one.absent else ''}{one.events.name}" for one in self.then]
        return f"sequence {' then '.join(words)}"

    @property
    def fields(self) -> "frozenset[Field]":
        return frozenset(field for one in events_of(self) for field in one.fields)


CLOSED_BY = "Case Closed"
CASE_EVENTS = ("Case Opened", "Case State Changed", "Case Reopened", CLOSED_BY)
"""The steps of a case, as feedback tells them."""

SINCE = "since"
"""Among the properties of a case: the instant of its last step."""

OPEN, CLOSED, ANY = CASE_STATES = ("open", "closed", "any")


@dataclass(frozen=True, slots=True)
class Cased:
    """There is a case that is open or closed now, and of which all of `where` holds, by what its
    last step says.
    """

    state: str
    where: "tuple[Leaf, ...]" = ()

    sections: ClassVar[int] = Events.sections

    @property
    def label(self) -> str:
        names = [one.subject.label.removeprefix("trait ") for one in self.where]
        return f"case {self.state}{' with ' if names else ''}{', '.join(names)}"

    @property
    def fields(self) -> "frozenset[Field]":
        return frozenset((HAPPENED, name) for name in CASE_EVENTS)

    def fits(self, *, is_open: bool) -> bool:
        """Whether one that is open, or closed, is asked for."""
        return self.state == ANY or (self.state == OPEN) is is_open


OneByOne = Performed | Total | Nth | Told | Answer | Sequence
"""These ask of events one by one."""

OfEvents = OneByOne | Cased


def events_of(subject: OfEvents) -> Iterator[Events]:
    """All that a comparison looks at."""
    if isinstance(subject, Cased):
        yield from (Events(name, subject.where) for name in CASE_EVENTS)
    elif isinstance(subject, Sequence):
        yield subject.first
        yield from (one.events for one in subject.then)
    else:
        yield subject.events


def window_of(subject: OfEvents) -> EventWindow | None:
    """The window in which its events, or the first of them, have to lie."""
    if isinstance(subject, Cased):
        return None
    return subject.first.window if isinstance(subject, Sequence) else subject.events.window
