"""The ledger of messages: new rows and their count, and what must add up at every instant."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain.model import NewMessage
from rapport_campaign.store import campaigns, people
from rapport_campaign.tables import SCHEMA
from rapport_common.events.contact import EMAIL_CHANNEL
from rapport_common.kafka.store import ConsumerStore, add_tallies, read_tallies

PLANNED_TALLY = "messages_planned"


async def write_plan(tx: AsyncConnection, messages: Sequence[NewMessage]) -> set[tuple[str, str]]:
    """Write new rows of the ledger; the (workspace, send key) of each. Count them at the end."""
    rows = await campaigns.plan(tx, messages)
    for row in rows:
        metrics.MESSAGES.labels(EMAIL_CHANNEL, row.state).inc()
        if row.state == "suppressed":
            metrics.SUPPRESSED.labels(row.reason).inc()
    return {(row.workspace, row.send_key) for row in rows}


async def count_planned(tx: AsyncConnection, number: int) -> None:
    """Move the ledger's left side; last in a transaction, since all planners share this row."""
    await add_tallies(tx, SCHEMA, {PLANNED_TALLY: number})


async def counts(consumer: ConsumerStore, tx: AsyncConnection) -> dict[str, Any]:
    """What was read, and every message that was ever planned, by state."""
    known = await consumer.ledger(tx)
    planned = known["tallies"].get(PLANNED_TALLY, 0)
    lacking = await people.lacking(tx)
    return {**known, "planned_total": planned, "lacking": lacking, **await campaigns.totals(tx)}


async def equations(tx: AsyncConnection) -> dict[str, int]:
    """Every message that was ever planned is in exactly one state."""
    planned = (await read_tallies(tx, SCHEMA)).get(PLANNED_TALLY, 0)
    states = await campaigns.totals(tx)
    return {"messages": planned - sum(states.values())}
