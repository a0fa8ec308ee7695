"""The other services are told which computed traits there are: at each change, and once a day.

The topic keeps less than it would take to know all, and readers begin anew.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.due.store import Due, NewDue
from rapport_common.due.worker import Handler
from rapport_common.events.topics import PROFILE_TRAIT
from rapport_common.events.trait import TraitDefinition
from rapport_common.publisher import Publisher
from rapport_profile.domain.computed.definition import type_of
from rapport_profile.store import computed_traits as store
from rapport_profile.store.computed_traits import Version
from rapport_profile.store.due import DUE
from rapport_profile.tables import SCHEMA

TELL_TRAITS = "tell_traits"
"""The kind of what is due when all of a workspace are to be told again."""
AGAIN_AFTER = timedelta(days=1)
ENDS_TOLD_FOR = timedelta(days=7)

_PUBLISHER = Publisher(SCHEMA, PROFILE_TRAIT)


async def tell(tx: AsyncConnection, workspace: str, names: Sequence[str]) -> None:
    """Tell what these computed traits are now; all are told again in a day."""
    found = [await store.find(tx, workspace, name) for name in names]
    told = [await _record(tx, workspace, one) for one in found if one is not None]
    await _PUBLISHER.tell(tx, *told)
    ahead = NewDue(workspace, TELL_TRAITS, "all", clock.now() + AGAIN_AFTER)
    await DUE.schedule(tx, [ahead], keep=True)


async def tell_all(tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
    """Tell of all computed traits of workspaces, and of those that have ended lately."""
    for row in rows:
        names = await store.names(tx, row.workspace, ended_since=now - ENDS_TOLD_FOR)
        await tell(tx, row.workspace, names)


KINDS: dict[str, Handler] = {TELL_TRAITS: tell_all}


async def _record(tx: AsyncConnection, workspace: str, one: Version) -> TraitDefinition:
    """Of what people have the values of, or where they have none yet will have."""
    definition = one.definition
    if definition is None:
        before = await store.history(tx, workspace, one.name, 1, one.version)
        definition = before[0].definition if before else None
    elif one.shown is not None and one.shown != one.version:
        (one,) = await store.history(tx, workspace, one.name, 1, one.shown + 1)
        definition = one.definition
    return TraitDefinition(
        workspace=workspace,
        name=one.name,
        version=one.version,
        type="number" if definition is None else type_of(definition),
        at=one.created_at,
        ended=one.definition is None,
    )
