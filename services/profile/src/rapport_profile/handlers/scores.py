"""What `profile.scores` brings: what models say of people, which is kept beside what they are."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.batch import Record
from rapport_common.scores.domain import newest, said
from rapport_profile.store.scores import PUBLISHED


async def on_scores(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Keep the newest of each."""
    if told := newest(said(batch)):
        await PUBLISHED.save(tx, told)
