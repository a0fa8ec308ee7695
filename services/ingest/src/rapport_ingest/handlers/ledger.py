"""The equations of ingest: received = accepted + rejected, and where the accepted ones are."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.locate import Locator
from rapport_ingest.spool import Spool
from rapport_ingest.store import balances, tallies
from rapport_ingest.store.spool import aside_counts


async def counts(
    counting: Counting, locator: Locator, spool: Spool, tx: AsyncConnection
) -> dict[str, Any]:
    """What was received; what of it is in the spool, topic and quarantine."""
    # The picture that `tx` has is taken by its first query: these are to be in it.
    await counting.flush()
    written = await locator.end_offsets()
    tally = await tallies.total(tx)
    quarantined = await balances.kept(tx)
    waiting = await spool.size(tx)
    aside, given_up = await aside_counts(tx)
    return {
        **tally.by_verdict(),
        "quarantined": quarantined,
        "spooled_now": waiting.rows,
        "spool_refused": aside,
        "spool_discarded": given_up,
        "topic": {"end_offsets_total": written},
    }
