"""A workspace's timeline rules: how long events of which class stay on timelines.

What goes leaves its sums. The installation's own limit (`TIMELINE_RETENTION_DAYS`) comes first:
whole months are dropped by it, so rules can shorten a stay and not lengthen it.
"""

from datetime import datetime, timedelta

import msgspec

from rapport_common.events.envelope import Event
from rapport_profile.domain.rules import RulesError

MAX_CLASSES = 50
MAX_PATTERNS = 100
"""Of one class."""
MAX_NAME = 512
MAX_DAYS = 36_500
TYPES = ("track", "identify", "page", "screen", "group", "alias")


class EventClass(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Events of these types and of these names, and the days that they stay.

    Without types, or names, those of any. A name that ends in `*` is how names begin. `days` None:
    they stay as long as the installation keeps events.
    """

    days: int | None = None
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def has(self, event: Event) -> bool:
        """Whether an event is of this class."""
        if self.types and event.type not in self.types:
            return False
        return not self.names or any(_is_like(event.name or "", one) for one in self.names)


class TimelineRules(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Classes of events: the first that an event is of says how long it stays."""

    classes: tuple[EventClass, ...] = ()

    @property
    def fewest_days(self) -> int | None:
        """The days after which the first events go; None: none go."""
        return min((one.days for one in self.classes if one.days is not None), default=None)

    def days_of(self, event: Event) -> int | None:
        """The days that an event stays; None: as long as the installation keeps events."""
        return next((one.days for one in self.classes if one.has(event)), None)

    def is_over(self, event: Event, now: datetime) -> bool:
        """Whether an event has been there for as long as its class stays."""
        days = self.days_of(event)
        return days is not None and event.timestamp < now - timedelta(days=days)


def checked(rules: TimelineRules) -> TimelineRules:
    """The rules as they are; RulesError says what can't be."""
    if len(rules.classes) > MAX_CLASSES:
        raise RulesError("classes", f"there may be {MAX_CLASSES} of them")
    for number, one in enumerate(rules.classes):
        where = f"classes.{number}"
        if not one.types and not one.names and number < len(rules.classes) - 1:
            raise RulesError(where, "it has all events: no class behind it would have one")
        unknown = [kind for kind in one.types if kind not in TYPES]
        if unknown:
            known = ", ".join(TYPES)
            raise RulesError(f"{where}.types", f"'{unknown[0]}' is no type of event ({known})")
        if any("*" in name[:-1] for name in one.names):
            raise RulesError(f"{where}.names", "'*' stands at the end of a name, or nowhere")
    return rules


def _is_like(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
