"""What `consent.needs` brings: for which purposes silence is no permission."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.storable import require_storable
from rapport_campaign.store import campaigns
from rapport_common.events.needs import ConsentNeeds
from rapport_common.kafka.batch import Record


async def on_needs(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Keep the newest version of each workspace."""
    newest: dict[str, ConsentNeeds] = {}
    for index, record in enumerate(batch):
        one: ConsentNeeds = record.value
        require_storable(index, one.workspace, *one.purposes)
        known = newest.get(one.workspace)
        if known is None or known.version < one.version:
            newest[one.workspace] = one
    for workspace in sorted(newest):
        one = newest[workspace]
        await campaigns.keep_needs(tx, workspace, one.version, one.purposes)
