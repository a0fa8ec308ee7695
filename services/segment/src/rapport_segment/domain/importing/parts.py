"""What reading a peer's definition rests on: what can't be said as a rule is refused by its name
and place, all of it at once; what is said otherwise than there is noted.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rapport_common.errors import InvalidRequestError

Rule = dict[str, Any]
MOST_PARTS = 500
MOST_DEPTH = 16
MOST_PROBLEMS = 100
MOST_STRANGERS = 5
"""Names that are shown."""

_SHOWN = 60
_PLACEHOLDER: Rule = {"computed": "events", "op": "exists"}
EVERYBODY: Rule = {"computed": "events", "op": "gte", "value": 0}

_SECONDS = ((604_800, "w"), (86_400, "d"), (3600, "h"), (60, "min"))
_UNITS = {"hour": "h", "day": "d", "week": "w", "month": "mo", "year": "y"}
_COUNT = re.compile(r"[0-9]{1,9}")
_RELATIVE = re.compile(r"([+-]?)([0-9]{1,5}) (hour|day|week|month|year)s?")


class UnsupportedDefinitionError(InvalidRequestError):
    """A definition that can't be said as a rule; `details.problems` has each place and reason."""

    code = "unsupported_definition"

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        path, message = problems[0]
        more = f" ({len(problems) - 1} more in details.problems)" if len(problems) > 1 else ""
        super().__init__(
            f"{path}: {message}{more}",
            details={"problems": [{"path": at, "message": why} for at, why in problems]},
        )


@dataclass
class Reader:
    """Reads one definition. `fields` gives our traits for the peer's fields that are called
    otherwise here, `segments` our ids for the peer's segments and lists, `events` our names of
    events for the peer's names or ids of them.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parts: int = 0
    _met: set[tuple[str, str]] = field(default_factory=set)

    def refuse(self, path: str, message: str) -> Rule:
        """Note a problem; what stands for the part meanwhile. After 100 it is raised."""
        self.problems.append((path, message))
        if len(self.problems) >= MOST_PROBLEMS:
            raise UnsupportedDefinitionError(self.problems)
        return _PLACEHOLDER

    def note(self, message: str) -> None:
        """Note once how something is said here."""
        if message not in self.notes:
            self.notes.append(message)

    def enter(self, path: str, depth: int) -> None:
        """Count a part; UnsupportedDefinitionError for one that is too large to go on."""
        self.parts += 1
        if self.parts > MOST_PARTS or depth > MOST_DEPTH:
            self.refuse(path, f"a rule has at most {MOST_PARTS} parts and {MOST_DEPTH} levels")
            raise UnsupportedDefinitionError(self.problems)

    def mapping(self, value: object, path: str) -> Mapping[str, Any]:
        """A JSON object; an empty one, and a problem, for anything else."""
        if isinstance(value, Mapping):
            return value
        self.refuse(path, "must be an object")
        return {}

    def inside(self, document: Mapping[str, Any], key: str, *own: str) -> Mapping[str, Any] | None:
        """The object that stands in `key`, if there is one. Beside it may be what an API tells of
        a definition, but no other definition: a problem for each of `own` that is.
        """
        inner = document.get(key)
        if not isinstance(inner, Mapping):
            return None
        for one in own:
            if one in document:
                self.refuse(one, f"stands beside {key}, and just one of them can be meant")
        return inner

    def listed(self, value: object, path: str) -> list[Any]:
        """A list of one thing or more; an empty one, and a problem, for anything else."""
        if isinstance(value, list) and value:
            return value
        self.refuse(path, "must be a list with at least one part")
        return []

    def objects(self, value: object, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        """The objects of a list that may be left out, each with its place."""
        if value is not None and not isinstance(value, list):
            self.refuse(path, "must be a list")
        listed = value if isinstance(value, list) else []
        places = [f"{path}[{index}]" for index in range(len(listed))]
        return [(at, self.mapping(one, at)) for at, one in zip(places, listed, strict=True)]

    def text(self, value: object, path: str) -> str:
        """A text that is not empty."""
        if isinstance(value, str) and value:
            return value
        self.refuse(path, "must be a text")
        return "x"

    def only(self, document: Mapping[str, Any], path: str, *known: str) -> None:
        """Refuse what stands beside these: it could be a condition that nobody has read."""
        for key, value in document.items():
            if key not in known and value not in (None, [], {}):
                self.refuse(f"{path}.{str(key)[:_SHOWN]}", "is not known here")

    def trait(self, name: str, same: str | None = None) -> str:
        """Our trait for a peer's field; `same` is what it is called unless it is said otherwise."""
        self._met.add(("fields", name))
        return self.fields.get(name, name if same is None else same)

    def compared(self, name: str, op: str, value: Any = None) -> Rule:
        """A comparison of a peer's field."""
        rule: Rule = {"trait": self.trait(name), "op": op}
        return rule if value is None else {**rule, "value": value}

    def member(self, peer: object, path: str) -> Rule:
        """Membership of a peer's segment or list."""
        self._met.add(("segments", str(peer)))
        known = self.segments.get(str(peer))
        if known is None:
            what = str(peer)[:_SHOWN]
            return self.refuse(path, f"say which segment here '{what}' is, in `segments`")
        return {"segment": known}

    def event(self, peer: object, path: str, same: str | None = None) -> str:
        """Our name of a peer's event; `same` is what it is called unless it is said otherwise."""
        self._met.add(("events", str(peer)))
        found = self.events.get(str(peer), same)
        if found is None:
            what = str(peer)[:_SHOWN]
            self.refuse(path, f"say which event here '{what}' is, in `events`")
            return "x"
        return found

    def note_strangers(self) -> None:
        """Note which names were told and not met: perhaps a slip of the pen."""
        told = {"fields": self.fields, "segments": self.segments, "events": self.events}
        for kind, names in told.items():
            strangers = [name for name in names if (kind, name) not in self._met]
            if strangers:
                shown = ", ".join(f"'{one[:_SHOWN]}'" for one in strangers[:MOST_STRANGERS])
                more = len(strangers) - MOST_STRANGERS
                also = f" ({more} more)" if more > 0 else ""
                self.note(f"{kind}: not in the definition: {shown}{also}")

    def amount(self, value: object, path: str) -> Any:
        """A number that others are more or less than."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        self.refuse(path, "must be a number")
        return 0

    def scalar(self, value: object, path: str) -> Any:
        """A text, number or boolean."""
        if isinstance(value, str | bool | int | float):
            return value
        self.refuse(path, "must be a text, a number, true or false")
        return ""

    def unknown(self, path: str, what: str, name: object) -> Rule:
        """Refuse a part by its name."""
        return self.refuse(path, f"{what} '{str(name)[:_SHOWN]}' is not supported")

    def seconds(self, value: object, path: str) -> str:
        """A length of time as rules write it."""
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            for size, unit in _SECONDS:
                if value % size == 0:
                    return f"{int(value // size)}{unit}"
        self.refuse(path, "must be a length of whole minutes, in seconds")
        return "1d"

    def length(self, quantity: object, unit: object, path: str) -> str:
        """A length of time of so many hours, days, weeks, months or years."""
        short = _UNITS.get(str(unit).removesuffix("s"))
        is_count = isinstance(quantity, int) and not isinstance(quantity, bool) and quantity > 0
        if short is None or not is_count:
            self.refuse(path, "must be a number of hours, days, weeks, months or years")
            return "1d"
        return f"{quantity}{short}"

    def days(self, number: object, path: str) -> str:
        """A length of time of so many days, also where they are a text."""
        written = str(number)
        return self.length(int(written) if _COUNT.fullmatch(written) else None, "day", path)


def word(value: object) -> str:
    """A text that names something; an empty one, which names nothing, for anything else."""
    return value if isinstance(value, str) else ""


def relative(text: str) -> str | None:
    """`-30 days` as rules write it; None for what is no such text."""
    match = _RELATIVE.fullmatch(text.strip())
    if match is None:
        return None
    sign = "-" if match[1] == "-" else ""
    return f"{sign}{match[2]}{_UNITS[match[3]]}"


def not_(rule: Rule) -> Rule:
    """The opposite."""
    return {"not": rule}


def all_of(rules: Sequence[Rule]) -> Rule:
    """All of them; one alone stands for itself."""
    return rules[0] if len(rules) == 1 else {"and": list(rules)}


def any_of(rules: Sequence[Rule]) -> Rule:
    """One of them."""
    return rules[0] if len(rules) == 1 else {"or": list(rules)}
