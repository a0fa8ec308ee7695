"""The ledger of messages: new rows and their count, and what must add up at every instant."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain.model import NewMessage
from rapport_campaign.handlers.announcing import announce
from rapport_campaign.store import ledger, people, plan
from rapport_campaign.store.moves import Move
from rapport_campaign.tables import SCHEMA
from rapport_common.kafka.store import ConsumerStore, add_tallies, read_tallies

PLANNED_TALLY = "messages_planned"


async def write_plan(tx: AsyncConnection, messages: Sequence[NewMessage]) -> list[Move]:
    """Plan messages that were never planned before; each new one. `count` them at the end."""
    return await plan.write(tx, messages)


async def count(tx: AsyncConnection, moved: Iterable[Move]) -> None:
    """Keep the totals and metrics of messages that have moved, and the ledger's left side; what has
    ended is told to webhooks.

    Last in a transaction: all writers share these rows.
    """
    told = list(moved)
    seen = Counter((one.channel, one.after, one.reason) for one in told)
    for (channel, after, reason), number in seen.items():
        metrics.MESSAGES.labels(channel, after).inc(number)
        if after == "suppressed":
            metrics.SUPPRESSED.labels(reason).inc(number)
    listening = await ledger.add(tx, told)
    await announce(tx, told, listening)
    new = sum(one.before is None for one in told)
    await add_tallies(tx, SCHEMA, {PLANNED_TALLY: new})


async def count_alike(tx: AsyncConnection, move: Move, number: int) -> None:
    """`count` for so many messages that are new and planned, which is told to nobody."""
    if number:
        metrics.MESSAGES.labels(move.channel, move.after).inc(number)
        await ledger.add_alike(tx, move, number)
        await add_tallies(tx, SCHEMA, {PLANNED_TALLY: number})


async def counts(consumer: ConsumerStore, tx: AsyncConnection) -> dict[str, Any]:
    """What was read, and every message that was ever planned, by state."""
    known = await consumer.ledger(tx)
    planned = known["tallies"].get(PLANNED_TALLY, 0)
    lacking = await people.lacking(tx)
    return {**known, "planned_total": planned, "lacking": lacking, **await ledger.kept(tx)}


async def equations(tx: AsyncConnection) -> dict[str, int]:
    """Every message that was ever planned is in exactly one state, and the totals say in which.

    Counted row by row: a look at everything.
    """
    planned = (await read_tallies(tx, SCHEMA)).get(PLANNED_TALLY, 0)
    rows, totals = await ledger.counted(tx), await ledger.kept(tx)
    return {
        "messages": planned - sum(rows.values()),
        "message_totals": sum(abs(rows[state] - totals[state]) for state in rows),
    }
