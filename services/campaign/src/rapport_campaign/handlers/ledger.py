"""What must add up in this schema at every instant."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.handlers.consume import PLANNED_TALLY
from rapport_campaign.store import campaigns
from rapport_campaign.tables import SCHEMA
from rapport_common.kafka.store import read_tallies


async def equations(tx: AsyncConnection) -> dict[str, int]:
    """Every message that was ever planned is in exactly one state."""
    planned = (await read_tallies(tx, SCHEMA)).get(PLANNED_TALLY, 0)
    states = await campaigns.totals(tx)
    return {"messages": planned - sum(states.values())}
