"""The other services are told what each segment is: with every change, and again once a day."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common import clock
from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_segment.handlers.retelling import Retelling

pytestmark = pytest.mark.integration
RULE = {"computed": "orders", "op": "gte", "value": 1}


async def made(client: httpx.AsyncClient, name: str = "Buyers") -> str:
    answer = await client.post("/v1/segments", json={"name": name, "rule": RULE})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def look(engine: AsyncEngine, now: datetime) -> None:
    """Run what is due by then."""
    store = DueStore("segment", now=lambda: now)
    worker = DueWorker(engine, store, Retelling(store).kinds)
    while await worker.turn():
        pass


async def test_every_change_is_told_in_its_order(
    client: httpx.AsyncClient, told: Callable[[], Any], engine: AsyncEngine
) -> None:
    segment_id = await made(client)
    url = f"/v1/segments/{segment_id}"
    for change in ({"name": "Customers"}, {"name": "Customers"}, {"active": False}):
        await client.patch(url, json=change)
    await client.delete(url)
    await client.delete(url)
    records = await told()
    assert {(one.workspace, one.segment_id) for one in records} == {("acme", segment_id)}
    assert [(one.version, one.name, one.active) for one in records] == [
        (1, "Buyers", True),
        (2, "Customers", True),
        (3, "Customers", False),
        (4, "Customers", False),
    ]
    assert [one.archived_at is None for one in records] == [True, True, True, False]
    assert [one.at for one in records] == sorted(one.at for one in records)
    async with engine.begin() as tx:
        records = await waiting(tx, "segment")
    # Of a change of who is in there is none: nobody is known.
    assert {one.key for one in records} == {UUID(segment_id).bytes}


async def test_what_is_refused_is_not_told(
    client: httpx.AsyncClient, told: Callable[[], Any]
) -> None:
    await made(client)
    answer = await client.post("/v1/segments", json={"name": "Buyers", "rule": RULE})
    assert answer.status_code == 409
    assert len(await told()) == 1


async def test_what_nobody_was_told_of_is_told_within_the_hour(
    client: httpx.AsyncClient, told: Callable[[], Any], engine: AsyncEngine
) -> None:
    """Those that an older process writes while a newer one runs beside it."""
    before, older, current = [await made(client, name) for name in ("A", "B", "C")]
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM segment.outbox_batch"))
        await tx.execute(
            text("UPDATE segment.definition SET told_at = NULL WHERE segment_id = :id"),
            {"id": before},
        )
        await tx.execute(
            text(
                "UPDATE segment.definition SET version = 2, "
                "updated_at = updated_at + interval '1 s' WHERE segment_id = :id"
            ),
            {"id": older},
        )
    later = clock.now() + timedelta(hours=2)
    await look(engine, later)
    assert len(await told()) == 2
    found = {one.segment_id: one.version for one in await told()}
    assert found == {before: 1, older: 2}
    assert current not in found
    await look(engine, later + timedelta(hours=2))
    assert len(await told()) == 2


async def test_all_are_told_again_once_a_day(
    client: httpx.AsyncClient, told: Callable[[], Any], engine: AsyncEngine
) -> None:
    """So the topic, which keeps three days, always has every definition, archived ones too."""
    first, second = await made(client, "A"), await made(client, "B")
    await client.delete(f"/v1/segments/{second}")
    start = clock.now()

    before = len(await told())

    async def told_by(hours: int) -> int:
        await look(engine, start + timedelta(hours=hours))
        return len(await told()) - before

    assert await told_by(23) == 0
    assert await told_by(25) == 2
    assert await told_by(27) == 2
    again = (await told())[-2:]
    assert {(one.segment_id, one.archived_at is not None) for one in again} == {
        (first, False),
        (second, True),
    }


async def test_a_workspace_that_is_always_changing_something_is_told_all_again(
    client: httpx.AsyncClient, told: Callable[[], Any], engine: AsyncEngine
) -> None:
    still = await made(client, "A")
    busy = await made(client, "B")
    start = clock.now()
    for hours in range(0, 30, 5):
        await client.patch(f"/v1/segments/{busy}", json={"name": f"B{hours}"})
        await look(engine, start + timedelta(hours=hours))
    assert [one.segment_id for one in await told()].count(still) == 2
