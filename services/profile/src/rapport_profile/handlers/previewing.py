"""What a definition would give for one person, by the events of their timeline."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.profile import DefinedValue
from rapport_profile.domain.computed.book import Trait, Traits
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.computed.values import valued
from rapport_profile.domain.naming import Id
from rapport_profile.store import previews

MOST = 10_000
"""Events that are read."""
_ONLY = 1


class Previewed(NamedTuple):
    """The value (None: no event fits), of how many events, and whether these were all."""

    value: DefinedValue | None
    looked_at: int
    complete: bool


async def preview(
    tx: AsyncConnection, workspace: str, profile_id: Id, definition: Definition, now: datetime
) -> Previewed:
    """Try a definition on a person's newest events of the names that it has."""
    names = sorted({one.event for one in definition.events})
    events = await previews.newest(tx, workspace, profile_id, names, MOST + 1)
    traits = Traits([Trait(_ONLY, "preview", 1, "live", definition)])
    state = traits.of_events(events[:MOST]).get(_ONLY)
    value = None if state is None else valued(_ONLY, definition, state, now).value
    return Previewed(value, min(len(events), MOST), len(events) <= MOST)
