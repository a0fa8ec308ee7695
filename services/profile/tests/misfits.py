"""A shop to which things are sent that should not be: through the consumer, asked by the API."""

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
from services.profile.tests.people import event, expected
from services.profile.tests.postgres import feed, known, told
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import Event, Identifier


def raw(message_id: str, member: str, body: str, /, **fields: Any) -> Event:
    """An event of which a member's JSON is written by hand."""
    return msgspec.structs.replace(
        event(message_id, **fields), **{member: msgspec.Raw(body.encode())}
    )


class Shop:
    """Events go in, one batch after another; whoever asks gets an answer, never a 5xx."""

    def __init__(self, engine: AsyncEngine, client: httpx.AsyncClient) -> None:
        self.engine = engine
        self.client = client
        self.history: list[Event] = []

    async def tell(self, *events: Event, at_once: bool = True) -> None:
        """In one batch, or each in a batch of its own."""
        for batch in [list(events)] if at_once else [[one] for one in events]:
            await feed(self.engine, batch)
        self.history += events

    async def ask(self, path: str, status: int = 200, **params: Any) -> Any:
        """The answer, which has this status."""
        answer = await self.client.get(path, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def person(self, kind: str, value: str) -> Any:
        """Whose identifier it is."""
        return await self.ask("/v1/profiles", kind=kind, value=value)

    async def values(self, kind: str, value: str) -> set[str]:
        """The identifiers of whoever has this one."""
        return {one["value"] for one in (await self.person(kind, value))["identifiers"]}

    async def readings(self, kind: str, value: str) -> dict[str, Any]:
        """What their traits are read as, by name."""
        who = (await self.person(kind, value))["id"]
        items = (await self.ask(f"/v1/profiles/{who}/readings"))["items"]
        return {one["name"]: one for one in items}

    async def is_settled(
        self, *users: str, joined: Sequence[tuple[Identifier, Identifier]] = ()
    ) -> None:
        """What is stored, what is told and what a rebuild finds is what the events amount to.

        And each of the users is a person by itself.
        """
        wanted = expected(self.history, joined=joined)
        async with self.engine.begin() as tx:
            assert await known(tx) == wanted == await told(tx)
        assert await checked(self.engine) == NOTHING
        ids = [(await self.person("user_id", one))["id"] for one in users]
        assert len(set(ids)) == len(ids), "two known users are one person"
