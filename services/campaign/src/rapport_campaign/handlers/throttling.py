"""Holds the runs of broadcasts to their pace, in the transaction that marks messages `sending`.

All senders of a run take its slots from one row, which is locked until the commit. What is not to
be sent takes none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Campaign, Claimed, MessageKey
from rapport_campaign.domain.permission import Send, Verdict
from rapport_campaign.domain.throttles import granted
from rapport_campaign.store import paces
from rapport_common import clock


async def within_pace(
    tx: AsyncConnection,
    claimed: Sequence[Claimed],
    verdicts: Mapping[str, Verdict],
    held: Mapping[tuple[str, str], Campaign],
) -> list[Claimed]:
    """All but what the pace of its run does not let go yet: that is left, and claimed again."""
    going: defaultdict[tuple[str, str], list[MessageKey]] = defaultdict(list)
    for one in claimed:
        run = (one.workspace, one.campaign_id or "")
        is_of_run = one.kind == "entry" and run in held and held[run].broadcast_id is not None
        if is_of_run and isinstance(verdicts[one.send_key], Send):
            going[run].append(one.key)
    over: set[MessageKey] = set()
    for pace in await paces.hold(tx, going):
        keys = going[pace.run]
        number, free_at = granted(pace.free_at, pace.interval, clock.now(), len(keys))
        over.update(keys[number:])
        await paces.move(tx, pace.run, free_at)
    return [one for one in claimed if one.key not in over]
