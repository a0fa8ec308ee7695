"""By which clock somebody lives, as far as it is known."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec

from rapport_campaign.domain.model import State
from rapport_common.zones import zones

TIMEZONE = "timezone"
"""The trait that says in which zone somebody lives, by IANA's name."""

UTC_NAME = "UTC"
MAX_SHOWN = 64


class _Where(msgspec.Struct):
    timezone: object = None


_where = msgspec.json.Decoder(_Where)


@dataclass(frozen=True, slots=True)
class Clock:
    """The zone that counts for a person; `refused`: what their trait says in place of one."""

    zone: ZoneInfo
    name: str
    refused: str | None = None


def _usual(name: str) -> Clock:
    """The workspace's zone; one that IANA has given up since it was declared is UTC."""
    found = zones().get(name)
    return Clock(zones()[UTC_NAME], UTC_NAME) if found is None else Clock(found, name)


def clock_of(state: State | None, workspace_zone: str) -> Clock:
    """A person's zone by their trait, else the workspace's; a name of no zone is told."""
    usual = _usual(workspace_zone)
    stated = _where.decode(bytes(state.traits)).timezone if state is not None else None
    if stated is None or stated == "":
        return usual
    name = stated.strip() if isinstance(stated, str) else ""
    found = zones().get(name)
    if found is None:
        return Clock(usual.zone, usual.name, refused=str(stated)[:MAX_SHOWN])
    return Clock(found, name)
