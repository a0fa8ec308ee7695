"""Quotas are counted in parts far from their limit, and in one row near it: exact in both."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.survey_forms import Quota
from rapport_feedback.domain.surveys import Invitation, Kind
from rapport_feedback.store import survey_quotas
from rapport_feedback.store.survey_quotas import PARTS

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service
    from sqlalchemy.ext.asyncio import AsyncConnection

pytestmark = pytest.mark.integration

FAR = 3


async def invited(service: Service, wave: int = 1) -> Invitation:
    return Invitation(
        workspace=service.workspace,
        invitation_id=uuid4(),
        survey_id=UUID(await service.survey()),
        wave=wave,
        contact=Contact("u1", None, None),
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
        kind=Kind.NPS,
        question="",
        version=1,
    )


async def take(
    tx: AsyncConnection, who: Invitation, quotas: list[Quota], part: int | None = None
) -> bool:
    answer = uuid4() if part is None else UUID(int=part)
    return await survey_quotas.take(tx, who, quotas, answer, far=FAR)


async def counted(service: Service, who: Invitation) -> dict[tuple[int, str], int]:
    async with service.engine.begin() as tx:
        return await survey_quotas.taken(tx, who.workspace, who.survey_id)


@pytest.mark.parametrize("seed", range(4))
async def test_answers_are_counted_up_to_the_limits_and_no_further(
    service: Service, seed: int
) -> None:
    """As by one who counts them in a list; some answers are taken back (their transactions end)."""
    chance, who = random.Random(seed), await invited(service)
    quotas = [
        Quota(id="a", limit=chance.randint(1, 14)),
        Quota(id="b", limit=chance.randint(1, 14), per="wave"),
    ]
    model = {"a": 0, "b": 0}
    for _ in range(40):
        mine = [one for one in quotas if chance.random() < 0.7]
        room = all(model[one.id] < one.limit for one in mine)
        kept = chance.random() < 0.8
        async with service.engine.connect() as tx:
            assert await take(tx, who, mine) is room, (seed, model)
            await (tx.commit() if kept else tx.rollback())
        for one in mine if room and kept else ():
            model[one.id] += 1
    found = await counted(service, who)
    assert {name: found.get((wave, name), 0) for name, wave in (("a", 0), ("b", 1))} == model


async def test_far_from_the_limit_nobody_waits_for_somebody_else(service: Service) -> None:
    who, quota = await invited(service), [Quota(id="q", limit=100)]
    async with service.engine.begin() as tx:
        await take(tx, who, quota)
    async with service.engine.connect() as one, service.engine.connect() as other:
        assert await take(one, who, quota, part=1)
        assert await take(other, who, quota, part=2)
        await one.commit()
        await other.commit()
    assert await counted(service, who) == {(0, "q"): 3}
    parts = await service.rows(
        "SELECT part, taken FROM feedback.survey_quota_part WHERE workspace = :ws AND taken > 0"
    )
    assert sorted((one["part"], one["taken"]) for one in parts) == [(1, 1), (2, 1)]


async def test_near_the_limit_they_wait_for_whoever_is_in_a_part(service: Service) -> None:
    """Counted far from the limit and not committed; the last places are given meanwhile."""
    who, quota = await invited(service), [Quota(id="q", limit=FAR + 2)]
    async with service.engine.begin() as tx:
        await take(tx, who, quota)
    async with service.engine.connect() as one:
        assert await take(one, who, quota, part=5)  # the second, in a part: 1 + FAR < limit
        await service.change(
            "UPDATE feedback.survey_quota SET taken = :n WHERE workspace = :ws", n=FAR + 1
        )

        async def last() -> bool:
            async with service.engine.begin() as tx:
                return await take(tx, who, quota, part=6)

        pid = await one.scalar(text("SELECT pg_backend_pid()"))
        waiting = asyncio.create_task(last())
        blocked = "SELECT pid FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))"
        while not waiting.done() and not await service.rows(blocked, pid=pid):
            await asyncio.sleep(0)
        assert not waiting.done()
        await one.commit()
        assert await waiting is False
    assert await counted(service, who) == {(0, "q"): FAR + 2}


async def test_what_was_counted_before_there_were_parts_counts(service: Service) -> None:
    who, quota = await invited(service, wave=2), [Quota(id="q", limit=20, per="wave")]
    await service.change(
        "INSERT INTO feedback.survey_quota (workspace, survey_id, wave, quota, taken) "
        "VALUES (:ws, :survey, 2, 'q', 18)",
        survey=who.survey_id,
    )
    for room in (True, True, False):
        async with service.engine.begin() as tx:
            assert await survey_quotas.are_full(tx, who, quota) is not room
            assert await take(tx, who, quota) is room
    assert PARTS > 1
