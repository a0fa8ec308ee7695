"""What was refused of whom the law wants all kept stays past its time, and goes when it is over."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from services.ingest.tests.test_privacy import DIGEST, MAIL, W, forget, refused, wish
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine

from rapport_common import clock
from rapport_common.events.envelope import identifier_digest
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.kafka.batch import Record
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser
from rapport_common.retention import Retention, RetentionWorker
from rapport_common.testing.credentials import EVENT_KEY
from rapport_ingest.store import holding
from rapport_ingest.store.balances import balances
from rapport_ingest.store.quarantine_expiry import READ, expiry

pytestmark = pytest.mark.integration
OLD = 31 * 24 * 60
BEN = identifier_digest(EVENT_KEY, W, ("email", "ben@example.com"))


@pytest.fixture
async def engine(service_database: Callable[[str], str]) -> AsyncIterator[AsyncEngine]:
    made = patient_engine(service_database("ingest"), application="tests")
    yield made
    await made.dispose()


def said(at: datetime, *, request: str = "r1", lifted: bool = False, **more: Any) -> PrivacyRecord:
    fields = {"workspace": W, "kind": "restrict", "profile_id": request, "kinds": ["email"]}
    fields |= {"subjects": [DIGEST.hex()], **more}
    return PrivacyRecord(request_id=request, at=at, lifted=lifted, **fields)  # type: ignore[arg-type] # by name


async def told(engine: AsyncEngine, records: Sequence[PrivacyRecord]) -> None:
    reader = Eraser("ingest", (), restricts=holding.note)
    async with engine.begin() as tx:
        await reader.on_privacy([Record("privacy", 0, 0, b"", one) for one in records], tx)


async def enforced(engine: AsyncEngine) -> int:
    expire = expiry(timedelta(days=1), Recogniser(EVENT_KEY))
    kept = Retention("quarantine", "received_at", timedelta(days=30), expire)
    return await RetentionWorker(engine, [kept], schema="ingest").enforce()


async def left(engine: AsyncEngine) -> list[str]:
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT body FROM ingest.quarantine ORDER BY id"))
        return [bytes(one).decode() for one in rows.scalars()]


async def test_rows_that_speak_of_them_stay_until_it_is_lifted(engine: AsyncEngine) -> None:
    hers = b'{"userId":["u"],"traits":{"email":"Ada@Example.com"}}'
    both = b'{"note":"ada@example.com, ben@example.com"}'
    async with engine.begin() as tx:
        for number in range(READ + 5):
            await refused(tx, b'{"n":%d}' % number, ago=OLD)
        await refused(tx, hers, ago=OLD)
        await refused(tx, both, ago=OLD)
        await refused(tx, hers, ago=60)
        await refused(tx, hers, ago=OLD, workspace="other")
    now = clock.now()
    await told(engine, [said(now), said(now, request="r2", subjects=[BEN.hex()])])
    assert await enforced(engine) == READ + 5 + 1
    assert await left(engine) == [hers.decode(), both.decode(), hers.decode()]
    assert await enforced(engine) == 0
    await told(engine, [said(now + timedelta(seconds=1), lifted=True)])
    assert await enforced(engine) == 1, "of the other one it is still wanted"
    assert await left(engine) == [both.decode(), hers.decode()]
    await told(engine, [said(now + timedelta(seconds=1), request="r2", lifted=True)])
    assert await enforced(engine) == 1
    async with engine.begin() as tx:
        [balance] = await balances(tx, W, after=None, limit=10)
    assert balance.expired == READ + 7


async def test_who_is_forgotten_is_held_no_more(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        await refused(tx, f'{{"email":"{MAIL}"}}'.encode(), ago=OLD)
    await told(engine, [said(clock.now())])
    await enforced(engine)
    assert len(await left(engine)) == 1
    await forget(engine, wish())
    assert await left(engine) == []
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT subjects FROM ingest.hold")) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0, 1)])
async def test_a_word_that_comes_late_changes_nothing(
    engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    now = clock.now()
    words = [
        said(now),
        said(now + timedelta(seconds=1), lifted=True),
        said(now + timedelta(seconds=2)),
    ]
    for one in order:
        await told(engine, [words[one]])
    async with engine.begin() as tx:
        assert [len(one) for one in (await holding.standing(tx, {W})).values()] == [1]
