"""Time zones by their names, the same in every service."""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

ADVICE: Final = "give an IANA name such as Europe/Berlin"

_NO_ZONES: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Names in a database of zones that stand for none, or for whatever one machine is set to."""


class UnknownZoneError(ValueError):
    """No time zone of IANA's list has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"'{name[:64]}' is no time zone: {ADVICE}")


@cache
def zones() -> Mapping[str, ZoneInfo]:
    """All zones by their names (IANA)."""
    return {name: ZoneInfo(name) for name in sorted(available_timezones() - _NO_ZONES)}


def known_zone(name: str) -> ZoneInfo:
    """The zone that somebody asks for; UnknownZoneError when there is none of this name."""
    found = zones().get(name)
    if found is None:
        raise UnknownZoneError(name)
    return found


@lru_cache(maxsize=1_024)
def zone_of(name: str) -> ZoneInfo:
    """The zone of a name that was checked when it was kept, perhaps by an older program."""
    return ZoneInfo(name)
