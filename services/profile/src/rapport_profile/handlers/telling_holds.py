"""Services that follow nobody are told whose data are only to be kept: at once, and once a day.

By the day it goes with the person: with the identifiers that they have by then.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.due.store import Due, NewDue
from rapport_common.due.worker import Handler
from rapport_common.events.privacy import PrivacyRecord
from rapport_profile.domain.naming import Id
from rapport_profile.handlers.portions import PUBLISHER
from rapport_profile.handlers.refusing import all_digits
from rapport_profile.store import holding as store
from rapport_profile.store.due import DUE
from rapport_profile.store.holding import Hold

TELL_HOLDS = "tell_holds"
"""The kind of what is due when all of a workspace are to be told again."""
FIRST = "all"
"""Of a piece behind another one it is the id of that one's last."""
AGAIN_AFTER = timedelta(days=1)
PIECE = 100


async def tell(tx: AsyncConnection, workspace: str, restraint: Id) -> None:
    """Tell of a restriction of processing that was set or lifted in this transaction."""
    found = await store.hold(tx, workspace, restraint)
    if found is not None:
        await PUBLISHER.tell(tx, _record(workspace, found, clock.now()))
        ahead = NewDue(workspace, TELL_HOLDS, FIRST, clock.now() + AGAIN_AFTER)
        await DUE.schedule(tx, [ahead], keep=True)


async def tell_all(tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
    """Tell of those that hold, a piece behind the last one's id; the next piece is due at once."""
    for row in rows:
        after = "" if row.key == FIRST else row.key
        found = await store.holds(tx, row.workspace, after, PIECE)
        await PUBLISHER.tell(tx, *(_record(row.workspace, one, now) for one in found))
        more = len(found) == PIECE
        at, key = (now, found[-1].id) if more else (now + AGAIN_AFTER, FIRST)
        if found or after:
            await DUE.schedule(tx, [NewDue(row.workspace, TELL_HOLDS, key, at)], keep=True)


KINDS: dict[str, Handler] = {TELL_HOLDS: tell_all}


def _record(workspace: str, hold: Hold, at: datetime) -> PrivacyRecord:
    return PrivacyRecord(
        workspace=workspace,
        request_id=hold.id,
        kind="restrict",
        profile_id=hold.id,
        subjects=sorted(all_digits(hold.identifiers)),
        at=at,
        kinds=sorted(set(hold.identifiers.values())),
        lifted=hold.lifted,
    )
