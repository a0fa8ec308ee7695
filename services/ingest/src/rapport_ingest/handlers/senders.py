"""Sources as the front door needs them: what is set for each, compiled."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_ingest.domain.sender import Sender, compiled
from rapport_ingest.domain.source import Caller
from rapport_ingest.store import plans, sources


async def senders_of(tx: AsyncConnection, callers: Sequence[Caller]) -> dict[Caller, Sender]:
    """These sources with the rules that hold now; those that do not exist are left out."""
    if not callers:
        return {}
    planned = await plans.plans(tx, callers)
    return {
        caller: compiled(
            caller, one.policy, planned.get(caller, ()), kind=one.kind, blocked=one.blocked
        )
        for caller, one in (await sources.declared(tx, callers)).items()
    }
