"""What ingest keeps of who is forgotten: none of it is left, and the counts still add up."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.engines import patient_engine
from tests.support.telling import tells_nothing

from rapport_common import clock
from rapport_common.events.envelope import identifier_digest
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.kafka.batch import Record
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser
from rapport_common.testing.credentials import EVENT_KEY
from rapport_ingest.store.access import parts
from rapport_ingest.store.balances import balances, kept
from rapport_ingest.store.privacy import sweeps

pytestmark = pytest.mark.integration
W = "shop"
MAIL = "ada@example.com"
DIGEST = identifier_digest(EVENT_KEY, W, ("email", MAIL))


def wish(request: str = "0190a5c0-0000-7000-8000-0000000000e1") -> PrivacyRecord:
    return PrivacyRecord(
        workspace=W,
        request_id=request,
        kind="erase",
        profile_id=request,
        subjects=[DIGEST.hex()],
        kinds=["email"],
        at=clock.now() - timedelta(minutes=1),
    )


@pytest.fixture
async def engine(service_database: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    made = patient_engine(service_database("ingest"), application="tests")
    yield made
    await made.dispose()


async def refused(tx: AsyncConnection, body: bytes, *, ago: int, workspace: str = W) -> None:
    await tx.execute(
        text(
            "INSERT INTO ingest.quarantine (workspace, source, message_id, received_at, code, "
            "path, reason, body) VALUES (:w, 'till', 'm', now() - make_interval(mins => :ago), "
            "'c', '', 'r', :body)"
        ),
        {"w": workspace, "ago": ago, "body": body},
    )


async def forget(engine: AsyncEngine, record: PrivacyRecord) -> dict[str, Any]:
    eraser = Eraser("ingest", sweeps(Recogniser(EVENT_KEY))).over(engine)
    async with engine.begin() as tx:
        await eraser.on_privacy([Record("privacy", 0, 0, b"", record)], tx)
    while await eraser.turn():
        pass
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT removed, error, finished_at FROM ingest.erasure"))
        (row,) = rows.fetchall()
    assert row.error is None
    return {one: n for one, n in row.removed.items() if n} | {"done": row.finished_at is not None}


async def test_what_was_refused_goes_and_is_counted_as_expired(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        for number in range(205):
            about = MAIL if number % 2 else "ben@example.com"
            await refused(tx, f'{{"traits": {{"email": "{about}"}}}}'.encode(), ago=5)
        await refused(tx, b'{"email": "Ada@Example.com", "cut of', ago=5)
        await refused(tx, MAIL.encode(), ago=0)
        await refused(tx, MAIL.encode(), ago=5, workspace="other")
        before = await kept(tx)
    found = await forget(engine, wish())
    assert found == {"ingest.quarantine": 103, "done": True}
    async with engine.begin() as tx:
        assert await kept(tx) == before
        (balance,) = await balances(tx, W, after=None, limit=10)
    assert (balance.open, balance.expired) == (104, 103), "what came since the wish is another's"


async def test_examples_violations_jobs_and_what_kafka_refused(engine: AsyncEngine) -> None:
    given = {"w": W, "key": DIGEST, "value": b'{"x": "y"}', "said": f'{{"a": "{MAIL}"}}'}
    statements = (
        (
            "INSERT INTO ingest.spool_refused (workspace, id, source, message_id, key, value, "
            "reason, created_at) VALUES (:w, 1, 'till', 'm', :key, :value, 'r', now())"
        ),
        (
            "INSERT INTO ingest.catalogue (workspace, source, type, name, events, samples, "
            "first_seen, last_seen, shape, example) VALUES (:w, 'till', 'track', 'Paid', 1, 1, "
            "now(), now(), '{}', CAST(:said AS jsonb))"
        ),
        (
            "INSERT INTO ingest.violation (workspace, source, type, name, version, path, rule, "
            "events, first_at, last_at, message, message_id) VALUES (:w, 'till', 'track', 'Paid', "
            "'1', 'a', 'type', 1, now(), now(), :said, 'm')"
        ),
        (
            "INSERT INTO ingest.job (workspace, id, kind, state, spec, report, error) VALUES "
            "(:w, 'j', 'import', 'done', '{}', jsonb_build_object('errors', "
            "jsonb_build_array(CAST(:said AS text)), 'refused', 1), :said)"
        ),
        "INSERT INTO ingest.live_message (payload, said_at) VALUES (:value, now() - interval '1h')",
    )
    async with engine.begin() as tx:
        for one in statements:
            await tx.execute(text(one), {name: v for name, v in given.items() if f":{name}" in one})
    found = await forget(engine, wish())
    tables = ("live_message", "spool_refused", "catalogue", "violation", "job")
    assert found == {**{f"ingest.{one}": 1 for one in tables}, "done": True}
    async with engine.begin() as tx:
        job = (await tx.execute(text("SELECT report, error FROM ingest.job"))).one()
        spool = await tx.scalar(text("SELECT spool_discarded FROM ingest.tally_source"))
        example = await tx.scalar(text("SELECT example FROM ingest.catalogue"))
    assert (job.report, MAIL in job.error) == ({"refused": 1}, False)
    assert (spool, example) == (1, None)


async def test_it_waits_for_the_spool(engine: AsyncEngine) -> None:
    spooled = text(
        "INSERT INTO ingest.spool (workspace, source, message_id, key, value) "
        "VALUES (:w, 'till', 'm', :key, '')"
    )
    async with engine.begin() as tx:
        await tx.execute(spooled, {"w": W, "key": DIGEST})
    assert (await forget(engine, wish()))["done"] is False
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM ingest.spool"))
        await tx.execute(text("UPDATE ingest.erasure SET try_at = now()"))
    assert (await forget(engine, wish()))["done"] is True


async def test_all_parts_of_what_is_told_can_be_read_page_by_page(engine: AsyncEngine) -> None:
    assert await tells_nothing(engine, parts(Recogniser(EVENT_KEY)))
