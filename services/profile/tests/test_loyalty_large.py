"""Large accounts go on from checkpoints: the ledger is that of all that is known, at small cost."""

import random
from datetime import datetime
from typing import Any

import httpx
import pytest
from services.profile.tests.loyal import day, order, refund
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from services.profile.tests.test_decisions_api import body
from services.profile.tests.test_loyalty_stored import (
    CLUB,
    TIERED,
    declared,
    member,
    points,
    redeemed,
    settled,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_profile import metrics
from rapport_profile.domain.loyalty import checkpoint, ledger
from rapport_profile.domain.loyalty.replay import replay
from rapport_profile.handlers import loyalty_accounts
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_checkpoints as checkpoints
from rapport_profile.store import loyalty_programmes

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints follow one another closely, and slices are small."""
    monkeypatch.setattr(checkpoint, "MOST_SINCE", 6)
    monkeypatch.setattr(checkpoint, "BEHIND", 3)
    monkeypatch.setattr(loyalty_accounts, "SLICE", 8)
    monkeypatch.setattr(loyalty_accounts, "LARGE", 10)
    monkeypatch.setattr(checkpoints, "FIRST", 3)


async def exact(client: httpx.AsyncClient, engine: AsyncEngine, user: str = "A") -> None:
    """What is booked and shown is what is worked out from the beginning."""
    whose = ("w", (await member(client, user)).split("/")[3])
    async with engine.begin() as tx:
        now = await loyalty_programmes.now(tx)
        versions = (await loyalty_programmes.versions(tx, ["w"]))["w"]
        kept = (await store.kept(tx, [whose], {}))[whose]
        booked = (await store.booked(tx, [whose]))[whose]
    whole = replay(versions, kept.facts, kept.operations, now)
    assert not ledger.due(whole, booked, now)
    shown = await points(client, user)
    assert {**whole.points._asdict(), "total": whole.points.total} == {
        name: shown[name] for name in ("available", "reserved", "pending", "debt", "total")
    }


async def place(engine: AsyncEngine) -> list[datetime]:
    """Up to when checkpoints know."""
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT at FROM profile.loyalty_checkpoint ORDER BY at"))
        return list(rows.scalars())


async def gone_through(engine: AsyncEngine) -> int:
    """How many facts were gone through to settle who is due."""
    before = metrics.LOYALTY_FACTS._value.get()
    await settled(engine)
    return int(metrics.LOYALTY_FACTS._value.get() - before)


async def test_what_an_order_costs_does_not_grow_with_the_account(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client, TIERED)
    costs = []
    for number in range(60):
        await feed(engine, [order(f"m{number:02}", f"o{number}", on=number / 100, total=10)])
        costs.append(await gone_through(engine))
    assert max(costs) <= checkpoint.MOST_SINCE + 1
    # Also that of a refund, whatever it is of.
    for number in (0, 30, 59):
        await feed(engine, [refund(f"r{number:02}", f"o{number}", on=1 + number / 100, total=4)])
        assert await gone_through(engine) <= checkpoint.MOST_SINCE + 1
    await exact(client, engine)
    assert (await points(client))["available"] == 588


async def test_what_comes_late_makes_it_be_worked_out_from_the_beginning(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client, TIERED)
    for number in range(20):
        await feed(engine, [order(f"m{number:02}", f"o{number}", on=1 + number, total=10)])
        await settled(engine)
    (before,) = await place(engine)
    await feed(engine, [order("late", "late", on=0, total=500)])
    # A slice with each turn; what is read meanwhile is right at once.
    await exact_points(client, 700)
    assert await gone_through(engine) >= 21
    await exact(client, engine)
    (after,) = await place(engine)
    assert after >= before
    # And so does another copy of an event that it knows of.
    await feed(engine, [order("m03", "o3", on=4, total=number) for number in range(20, 40)])
    await settled(engine)
    await exact(client, engine)


async def exact_points(client: httpx.AsyncClient, number: int) -> None:
    assert (await points(client))["available"] == number


async def test_who_was_merged_and_parted_has_what_was_his(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    for number in range(30):
        who: dict[str, Any] = {"user_id": None, "anonymous_id": "x"} if number % 3 == 0 else {}
        await feed(engine, [order(f"m{number:02}", f"o{number}", on=number, total=10, **who)])
        await settled(engine)
    assert len(await place(engine)) == 2
    pair = body(("user_id", "A"), ("anonymous_id", "x"))
    made = (await client.post("/v1/profiles/merge", json=pair)).json()
    await settled(engine)
    await exact(client, engine)
    await exact_points(client, 300)
    await client.post(f"/v1/decisions/{made['decision_id']}/undo", json={"reason": "no"})
    await settled(engine)
    await exact(client, engine)
    await exact_points(client, 200)


async def test_another_programme_goes_on_from_there(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    for number in range(20):
        await feed(engine, [order(f"m{number:02}", f"o{number}", on=number, total=10)])
        await settled(engine)
    asked = {"programme": TIERED, "version": 1, "reason": "test"}
    assert (await client.put("/v1/loyalty/programme", json=asked)).status_code == 200
    await feed(engine, [refund("r", "o3", on=21, total=10), event("e", at=22, user_id="A")])
    await settled(engine)
    await exact(client, engine)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_the_ledger_is_that_of_all_that_is_known(
    client: httpx.AsyncClient, engine: AsyncEngine, seed: int
) -> None:
    chance = random.Random(seed)
    await declared(client, {**TIERED, "expiry": {"days": 500, "inactive": seed == 1}})
    made: list[str] = []
    for turn in range(40):
        number, name = chance.randrange(30), chance.choice(["Completed", "Completed", "Refunded"])
        on = turn if chance.random() < 0.9 else chance.randrange(40)
        one = order(
            f"m{turn}", f"o{number}", name=f"Order {name}", on=on, total=chance.randrange(1, 90)
        )
        await feed(engine, [one])
        if chance.random() < 0.3:
            answer = await redeemed(client, chance.randrange(1, 200))
            made += [answer.json()["id"]] if answer.status_code == 201 else []
        if made and chance.random() < 0.5:
            what = chance.choice(["confirm", "cancel", "reverse"])
            await client.post(f"/v1/loyalty/redemptions/{chance.choice(made)}/{what}")
        if chance.random() < 0.7:
            await settled(engine)
    await settled(engine)
    await exact(client, engine)
    assert await place(engine)
    assert day(0) < (await place(engine))[0]
    assert CLUB["points"] == (await client.get(await member(client))).json()["points_name"]
