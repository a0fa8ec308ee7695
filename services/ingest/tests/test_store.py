"""Statements with rules of their own: retention, keys and counts."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import clock
from rapport_common.retention import Retention, RetentionWorker
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.store import quarantine, tallies
from rapport_ingest.store.quarantine import Quarantined
from rapport_ingest.store.tallies import Tally

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration


async def test_old_rejected_events_are_forgotten(ingest: "Ingest") -> None:
    ages = (timedelta(days=29), timedelta(days=31))
    rows = [
        Quarantined("s", str(age.days), clock.now() - age, "code", "", "reason", b"{}")
        for age in ages
    ]
    engine = ingest.process.engine
    async with engine.begin() as tx:
        await quarantine.keep(tx, ingest.workspace, rows)
    retention = Retention("quarantine", "received_at", timedelta(days=30))
    assert await RetentionWorker(engine, [retention], schema="ingest").enforce() == 1
    left = (await ingest.get("/v1/quarantine"))["items"]
    assert [one["message_id"] for one in left] == ["29"]


async def test_the_process_enforces_the_same_policy(ingest: "Ingest") -> None:
    [retention] = [one for one in ingest.process.workers if isinstance(one, RetentionWorker)]
    assert ("quarantine", 30) in [(one.table, one.age.days) for one in retention._retentions]


async def test_a_revoked_key_ends_with_the_next_check(ingest: "Ingest") -> None:
    keys = ingest.built.cases.keys
    body = {"event": "x", "userId": "u"}
    assert (await ingest.send("/v1/track", body)).status_code == 200
    async with ingest.process.engine.begin() as tx:
        await tx.execute(
            text("UPDATE ingest.write_key SET revoked_at = now() WHERE workspace = :workspace"),
            {"workspace": ingest.workspace},
        )
    assert (await ingest.send("/v1/track", body)).status_code == 200
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group, asyncio.timeout(HANG_SECONDS):
        group.create_task(keys.run(stop))
        while (await ingest.send("/v1/track", body)).status_code == 200:
            await between_looks()
        stop.set()
    assert (await ingest.send("/v1/track", body)).status_code == 401


async def test_a_check_leaves_good_keys_alone_and_looks_at_used_ones_only(
    ingest: "Ingest",
) -> None:
    body = {"event": "x", "userId": "u"}
    keys = ingest.built.cases.keys
    for _ in range(2):
        assert (await ingest.send("/v1/track", body)).status_code == 200
        assert keys._known[ingest.key].used
        await keys.check()
        assert not keys._known[ingest.key].used
    async with ingest.process.engine.begin() as tx:
        await tx.execute(
            text("UPDATE ingest.write_key SET revoked_at = now() WHERE workspace = :workspace"),
            {"workspace": ingest.workspace},
        )
    await keys.check()
    assert ingest.key in keys._known


async def test_what_a_key_ring_remembers_is_bounded(ingest: "Ingest") -> None:
    ring = KeyRing(ingest.process.engine, b"pepper")
    for number in range(1005):
        key = f"rk_{number:012x}_{'0' * 32}"
        with pytest.raises(Exception, match="write key"):
            await ring.sender(key)
    assert len(ring._unknown) == 1000


async def test_counts_of_two_processes_add_up_without_a_deadlock(ingest: "Ingest") -> None:
    names = [f"s-{number:02}" for number in range(30)]

    async def flush(order: list[str]) -> None:
        for _ in range(20):
            async with ingest.process.engine.begin() as tx:
                await tallies.add_tallies(
                    tx, {Caller("w", one): Tally(2, 1, 0, 1) for one in order}
                )

    await asyncio.gather(flush(names), flush(names[::-1]))
    async with ingest.process.engine.begin() as tx:
        found = await tallies.tallies_of(tx, "w")
    assert found == {one: Tally(80, 40, 0, 40) for one in names}
