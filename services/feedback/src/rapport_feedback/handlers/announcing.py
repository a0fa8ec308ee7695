"""What is told the others is told webhooks, too: in the transaction in which it happens."""

from collections.abc import Iterable

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common.events.envelope import Event
from rapport_common.events.topics import Topic
from rapport_common.publisher import Publisher
from rapport_common.webhooks.records import Told
from rapport_feedback.domain.announcements import Said, announced
from rapport_feedback.store.webhooks import WEBHOOKS, profiles_of


class Announcing(Publisher):
    """Tells the others, and whoever listens by HTTP."""

    def __init__(self, schema: str, topic: Topic, secret: bytes | None = None) -> None:
        super().__init__(schema, topic, secret)

    @override
    async def publish(
        self, tx: AsyncConnection, told: Iterable[tuple[msgspec.Struct, str | None]]
    ) -> None:
        listed = list(told)
        said = [announced(one) for one, _ in listed if isinstance(one, Event)]
        await _post(tx, [one for one in said if one is not None])
        await super().publish(tx, listed)


async def _post(tx: AsyncConnection, said: list[Said]) -> None:
    if not said:
        return
    heard = await WEBHOOKS.listening(tx, {one.workspace for one in said})
    posts = []
    for workspace in sorted(heard):
        here = [one for one in said if one.workspace == workspace]
        known = await profiles_of(tx, workspace, {one.whose for one in here})
        for one in here:
            profile = known.get(one.whose, "")
            body = one.body(profile)
            posts.append(Told(workspace, one.subject, (one.event,), body, profile))
    await WEBHOOKS.posts.insert(tx, posts)
