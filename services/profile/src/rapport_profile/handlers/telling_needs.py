"""Campaign is told for which purposes an explicit yes is wanted: at a change, and once a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.due.store import Due, NewDue
from rapport_common.due.worker import Handler
from rapport_common.events.needs import ConsentNeeds
from rapport_common.events.topics import CONSENT_NEEDS
from rapport_common.publisher import Publisher
from rapport_profile.store.due import DUE
from rapport_profile.store.rules import CONSENT_RULES, latest
from rapport_profile.tables import SCHEMA

TELL_NEEDS = "tell_needs"
"""The kind of what is due when a workspace's are to be told again."""
AGAIN_AFTER = timedelta(days=1)
_PUBLISHER = Publisher(SCHEMA, CONSENT_NEEDS)


async def tell(tx: AsyncConnection, workspace: str) -> None:
    """Tell what the rules that hold ask for; it is told again in a day."""
    held = await latest(tx, CONSENT_RULES, workspace)
    if held is None:
        return
    told = ConsentNeeds(
        workspace=workspace,
        version=held.version,
        purposes=held.declared.needing_a_yes(),
        at=held.created_at,
    )
    await _PUBLISHER.tell(tx, told)
    ahead = NewDue(workspace, TELL_NEEDS, "all", clock.now() + AGAIN_AFTER)
    await DUE.schedule(tx, [ahead], keep=True)


async def tell_all(tx: AsyncConnection, rows: Sequence[Due], _now: datetime) -> None:
    """Tell workspaces' again."""
    for row in rows:
        await tell(tx, row.workspace)


KINDS: dict[str, Handler] = {TELL_NEEDS: tell_all}
