"""Points as they are stored: earned with the events, spent by requests, settled by their time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.loyal import PER_DOLLAR, cancelled, day, order, refund
from services.profile.tests.people import START, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_decisions_api import body
from services.profile.tests.test_erasing import ask, person_of, worked_off
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.envelope import Event
from rapport_common.testing.credentials import EVENT_KEY
from rapport_profile.handlers.loyalty_settling import Settling
from rapport_profile.store import loyalty_programmes
from rapport_profile.store.rules import RuleShelf

pytestmark = pytest.mark.integration
CLUB: dict[str, Any] = {"name": "Club", "points": "stars", "rules": [PER_DOLLAR]}
TIERED = {
    **CLUB,
    "expiry": {"days": 365},
    "tiers": {
        "measure": "points",
        "window": {"months": 12},
        "levels": [{"id": "green", "threshold": "0"}, {"id": "gold", "threshold": "100"}],
    },
}
WHY = {"reason": "test"}


async def declared(client: httpx.AsyncClient, programme: dict[str, Any] = CLUB) -> None:
    """It holds since before all events of tests."""
    since = (START - timedelta(days=1)).isoformat()
    body = {"programme": programme, "version": 0, "since": since, **WHY}
    answer = await client.put("/v1/loyalty/programme", json=body)
    assert answer.status_code == 200, answer.text


async def settled(engine: AsyncEngine, at: datetime | None = None) -> None:
    """All that is due has been done; by `at` instead of the clock, if given."""
    now = None if at is None else lambda: at
    if at is not None:
        async with engine.begin() as tx:
            # What is to be done at once was scheduled by the clock.
            await tx.execute(text("UPDATE profile.due SET try_at = at"))
    store = DueStore("profile", now=now)
    kinds = Settling(EVENT_KEY, store, now).kinds
    worker = DueWorker(engine, store, kinds)
    while True:
        async with engine.begin() as tx:
            look = await store.look(tx, list(kinds), None)
        if not look.due:
            return
        await worker.turn()


async def member(client: httpx.AsyncClient, user: str = "A") -> str:
    found = await client.get("/v1/profiles", params={"kind": "user_id", "value": user})
    return f"/v1/profiles/{found.json()['id']}/loyalty"


async def points(client: httpx.AsyncClient, user: str = "A") -> dict[str, int]:
    answer = await client.get(await member(client, user))
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()["points"]
    return found


async def entries(client: httpx.AsyncClient, user: str = "A") -> list[tuple[str, int, int]]:
    answer = await client.get(f"{await member(client, user)}/entries")
    return [(one["kind"], one["points"], one["total"]) for one in answer.json()["items"]]


async def told(engine: AsyncEngine) -> list[Event]:
    async with engine.begin() as tx:
        return [
            msgspec.json.decode(one.value, type=Event)
            for one in await waiting(tx, "profile", "events")
        ]


async def redeemed(
    client: httpx.AsyncClient, number: int, key: str | None = None, **more: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    asked = {"points": number, **WHY, **more}
    where = f"{await member(client)}/redemptions"
    return await client.post(where, json=asked, headers=headers)


async def test_events_count_from_the_moment_of_the_declaration_in_every_process(
    client: httpx.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = loyalty_programmes.SHELF
    monkeypatch.setattr(shelf, "_clock", lambda: 0.0)
    async with engine.begin() as tx:
        assert await shelf.names(tx) == {}, "what a process has looked at a moment ago"
    with monkeypatch.context() as another:
        another.setattr(shelf, "forget", lambda: None)
        await declared(client)
    async with engine.begin() as tx:
        book = await RuleShelf().book(tx, {"w"})
    await feed(engine, [order("1", total=100)], book)
    assert (await points(client))["available"] == 100


async def test_points_are_earned_with_the_event_and_booked_once(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    history = [refund("2", on=1, total=30), order("1", total=100), order("1", total=100)]
    for one in history:
        await feed(engine, [one])
    # What is read is so at once, whatever has been settled.
    assert (await points(client))["available"] == 70
    await settled(engine)
    assert sum(one[1] for one in await entries(client)) == 70
    before = await entries(client)
    await feed(engine, history)
    await settled(engine)
    assert await entries(client) == before
    await feed(engine, [cancelled("3", on=2)])
    await settled(engine)
    assert (await entries(client))[0] == ("reversed", -70, 0)


async def test_another_copy_of_an_event_counts_instead(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    copies = [order("1", total=total) for total in (10, 20, 30, 40)]
    for one in copies:
        await feed(engine, [one])
        await settled(engine)
    standing = (await client.get((await member(client)).removesuffix("/loyalty"))).json()
    revenue = standing["computed"]["revenue"]["USD"]
    assert (await points(client))["total"] == float(revenue)
    assert (await entries(client))[0][2] == float(revenue)


async def test_who_spends_does_not_put_off_what_a_batch_has_told_meanwhile(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client, TIERED)
    await feed(engine, [order("1", total=100)])
    await settled(engine)
    # An event that is committed after the spender has read the facts.
    await feed(engine, [order("2", "2", total=100)])
    assert (await redeemed(client, 10)).status_code == 201
    async with engine.begin() as tx:
        waiting = await tx.execute(text("SELECT at FROM profile.due WHERE kind = 'loyalty'"))
        assert [one <= datetime.now(UTC) for one in waiting.scalars()] == [True]


async def test_where_there_is_no_programme_nothing_is_kept(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [order("1", total=100)])
    answer = await client.get(await member(client))
    assert (answer.status_code, answer.json()["code"]) == (409, "no_programme")
    async with engine.begin() as tx:
        for table in ("loyalty_fact", "loyalty_member", "due"):
            assert await tx.scalar(text(f"SELECT count(*) FROM profile.{table}")) == 0


async def test_two_who_are_merged_have_all_and_each_has_his_own_again(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    device = [order("2", "2", user_id=None, anonymous_id="x", total=50)]
    await feed(engine, [order("1", total=100), *device])
    await settled(engine)
    pair = body(("user_id", "A"), ("anonymous_id", "x"))
    made = (await client.post("/v1/profiles/merge", json=pair)).json()
    await settled(engine)
    assert (await points(client))["available"] == 150
    assert (await redeemed(client, 120, seconds=None)).status_code == 201
    assert (await entries(client))[0][2] == 30
    await client.post(f"/v1/decisions/{made['decision_id']}/undo", json={"reason": "no"})
    await settled(engine)
    # What was spent hangs on the user: his own does not cover it, and the device has its own back.
    assert await points(client) == {
        **dict.fromkeys(("available", "reserved", "pending"), 0),
        "total": -20,
        "balance": -20,
        "debt": 20,
    }
    assert (await entries(client))[0][2] == -20
    found = await client.get("/v1/profiles", params={"kind": "anonymous_id", "value": "x"})
    shown = await client.get(f"/v1/profiles/{found.json()['id']}/loyalty")
    assert shown.json()["points"]["available"] == 50


async def test_two_tills_do_not_spend_the_same_points(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    await feed(engine, [order("1", total=100)])
    answers = await asyncio.gather(*(redeemed(client, 60) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [201, *[409] * 5]
    refused = next(one for one in answers if one.status_code == 409).json()
    assert (refused["code"], refused["details"]) == (
        "insufficient_points",
        {"available": 40, "balance": 100},
    )
    same = await asyncio.gather(*(redeemed(client, 10, key="k") for _ in range(4)))
    assert len({one.json()["id"] for one in same}) == 1
    assert (await points(client))["reserved"] == 70


async def test_who_is_merged_meanwhile_spends_nothing_twice(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    device = [order("2", "2", user_id=None, anonymous_id="x", total=50)]
    await feed(engine, [order("1", total=100), *device])
    found = await client.get("/v1/profiles", params={"kind": "anonymous_id", "value": "x"})
    both = [await member(client), f"/v1/profiles/{found.json()['id']}/loyalty"]
    pair = body(("user_id", "A"), ("anonymous_id", "x"))
    for _ in range(3):
        wishes = [
            client.post(f"{where}/redemptions", json={"points": wanted, **WHY})
            for where, wanted in ((both[0], 100), (both[1], 50), (both[0], 60), (both[1], 60))
        ]
        made, *answers = await asyncio.gather(client.post("/v1/profiles/merge", json=pair), *wishes)
        assert made.status_code == 201
        assert {one.status_code for one in answers} <= {201, 409}
        await settled(engine)
        spent = [one.json() for one in answers if one.status_code == 201]
        assert 0 < sum(one["points"] for one in spent) <= 150
        for one in spent:
            confirmed = await client.post(f"/v1/loyalty/redemptions/{one['id']}/confirm")
            assert confirmed.status_code == 200, confirmed.text
        assert (await points(client))["debt"] == 0
        for one in spent:
            await client.post(f"/v1/loyalty/redemptions/{one['id']}/reverse")
        where = f"/v1/decisions/{made.json()['decision_id']}/undo"
        assert (await client.post(where, json={"reason": "again"})).status_code == 200
        await settled(engine)


async def test_a_reservation_is_confirmed_reversed_or_ends(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    await feed(engine, [order("1", total=100)])
    made = (await redeemed(client, 60)).json()
    where = f"/v1/loyalty/redemptions/{made['id']}"
    assert (made["state"], made["lots"]) == ("reserved", {"order:1:spend": 60})
    early = await client.post(f"{where}/reverse")
    assert (early.status_code, early.json()["details"]["state"]) == (409, "reserved")
    for _ in range(2):
        assert (await client.post(f"{where}/confirm")).json()["state"] == "confirmed"
    assert (await client.post(f"{where}/cancel")).status_code == 409
    assert await entries(client) == [("redeemed", -60, 40), ("earned", 100, 100)]
    for _ in range(2):
        assert (await client.post(f"{where}/reverse")).json()["state"] == "reversed"
    assert (await entries(client))[0] == ("redeemed", 60, 100)
    other = (await redeemed(client, 100, seconds=600)).json()
    assert (await redeemed(client, 1)).status_code == 409
    until = datetime.fromisoformat(other["expires_at"])
    await settled(engine, until)
    async with engine.begin() as tx:
        traits = [one.traits for one in await told(engine) if one.type == "identify"]
        assert await tx.scalar(text("SELECT count(*) FROM profile.due")) == 0
    assert traits
    cancel = await client.post(f"/v1/loyalty/redemptions/{other['id']}/cancel")
    assert cancel.json()["state"] == "cancelled"
    assert (await points(client))["available"] == 100


async def test_a_reservation_that_a_refund_took_away_can_not_be_confirmed(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    await feed(engine, [order("1", total=100)])
    made = (await redeemed(client, 80)).json()
    await feed(engine, [refund("2", on=1, total=50)])
    await settled(engine)
    refused = await client.post(f"/v1/loyalty/redemptions/{made['id']}/confirm")
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_points")
    await client.post(f"/v1/loyalty/redemptions/{made['id']}/cancel")
    assert (await points(client))["available"] == 50


async def test_tiers_are_told_when_reached_and_lost_and_points_before_they_expire(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client, TIERED)
    await feed(engine, [order("1", total=120)])
    await settled(engine, day(1))
    names = [one.name for one in await told(engine)]
    assert names == [None, "Tier Reached"]
    (traits, _reached) = await told(engine)
    assert traits.identifiers == [("user_id", "A")]
    said = msgspec.json.decode(traits.traits)
    assert {**said, "loyalty_balance": 120, "loyalty_tier": "gold"} == said
    await settled(engine, day(336))
    assert [one.name for one in await told(engine)][2:] == ["Points Expiring"]
    await settled(engine, day(366))
    after = (await told(engine))[3:]
    assert [one.name for one in after] == [None, "Tier Lost"]
    said = msgspec.json.decode(after[0].traits)
    assert {**said, "loyalty_balance": 0, "loyalty_next_tier_gap": 100} == said
    assert (await entries(client))[0] == ("expired", -120, 0)


async def test_what_is_told_comes_back_as_traits_and_on_the_timeline(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client, TIERED)
    await feed(engine, [order("1", total=120)])
    await settled(engine, day(1))
    await feed(engine, await told(engine))
    await settled(engine, day(1))
    assert len(await told(engine)) == 2
    where = (await member(client)).removesuffix("/loyalty")
    traits = (await client.get(where)).json()["traits"]
    assert (traits["loyalty_tier"], traits["loyalty_balance"]) == ("gold", 120)


async def test_who_is_forgotten_leaves_no_points(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    await feed(engine, [order("1", total=100)])
    await settled(engine)
    await redeemed(client, 10)
    before = len(await told(engine))
    where = f"{await member(client)}/redemptions"
    await ask(engine, *await person_of(engine, ("user_id", "A")))
    # Nothing is told of who is being forgotten, and nothing of them is spent.
    await settled(engine)
    late = await client.post(where, json={"points": 1, **WHY})
    assert (late.status_code, len(await told(engine))) == (404, before)
    await worked_off(engine)
    await settled(engine)
    async with engine.begin() as tx:
        for table in ("fact", "operation", "entry", "member", "checkpoint", "lot", "subject"):
            rows = await tx.scalar(text(f"SELECT count(*) FROM profile.loyalty_{table}"))
            assert rows == 0, table


async def test_an_operator_gives_and_takes_and_lets_people_join_and_leave(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client, {**CLUB, "enrolment": {"everybody": False}})
    await feed(engine, [event("0", user_id="A")])
    where = await member(client)
    joined = await client.post(f"{where}/enrol", json=WHY)
    assert joined.json()["is_member"] is True
    given = await client.post(f"{where}/adjustments", json={"points": 50, **WHY})
    assert given.status_code == 201
    taken = await client.post(f"{where}/adjustments", json={"points": -60, **WHY})
    assert (taken.status_code, taken.json()["code"]) == (409, "insufficient_points")
    await client.post(f"{where}/adjustments", json={"points": -20, **WHY})
    assert await entries(client) == [("adjusted", -20, 30), ("adjusted", 50, 50)]
    left = await client.post(f"{where}/leave", json=WHY)
    assert left.json()["is_member"] is False
    assert (await entries(client))[0] == ("expired", -30, 0)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"rules": [{"id": "a", "per": {"XXX": "1"}}]}, "programme.rules.0.per.XXX"),
        ({"rules": [{"id": "a", "per": {"USD": "x"}}]}, "programme.rules.0.per"),
        ({"rules": [{"id": "a", "fixed": 1.5}]}, "programme.rules.0.fixed"),
        ({"rules": [{"id": "a"}]}, "programme.rules.0"),
        ({"zone": "Mars/Base"}, "programme.zone"),
        ({"sparkle": 1}, "programme"),
    ],
)
async def test_what_is_no_programme_is_refused_with_its_place(
    client: httpx.AsyncClient, change: dict[str, Any], where: str
) -> None:
    asked = {"programme": {**CLUB, **change}, "version": 0, **WHY}
    answer = await client.put("/v1/loyalty/programme", json=asked)
    assert (answer.status_code, answer.json()["details"]["field"]) == (422, where)


@pytest.mark.parametrize(
    "moment",
    ["2099-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"],
)
async def test_a_time_without_offset_or_out_of_all_bounds_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine, moment: str
) -> None:
    asked = {"programme": CLUB, "version": 0, "since": moment, **WHY}
    assert (await client.put("/v1/loyalty/programme", json=asked)).status_code == 422
    await declared(client)
    await feed(engine, [order("1", total=100)])
    given = {"points": 5, "expires_at": moment, **WHY}
    answer = await client.post(f"{await member(client)}/adjustments", json=given)
    assert answer.status_code == 422, answer.text


async def test_a_programme_has_versions_that_hold_from_their_time_on(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    double = {**CLUB, "rules": [{"id": "spend", "per": {"USD": "2"}}]}
    asked = {"programme": double, "version": 0, **WHY}
    late = await client.put("/v1/loyalty/programme", json=asked)
    assert (late.status_code, late.json()["details"]) == (409, {"version": 1})
    past = {**asked, "version": 1, "since": START.isoformat()}
    refused = await client.put("/v1/loyalty/programme", json=past)
    assert (refused.status_code, refused.json()["details"]) == (422, {"field": "since"})
    assert (await client.put("/v1/loyalty/programme", json={**asked, "version": 1})).json()[
        "version"
    ] == 2
    await feed(engine, [order("1", total=10)])
    assert (await points(client))["available"] == 10
    history = (await client.get("/v1/loyalty/programme/history")).json()["items"]
    assert [one["version"] for one in history] == [2, 1]


@pytest.mark.parametrize(
    ("scopes", "status"),
    [(["profiles:read"], 403), (["loyalty:redeem"], 201), (["profiles:write"], 403)],
)
async def test_who_may_spend(
    client: httpx.AsyncClient, engine: AsyncEngine, scopes: Sequence[str], status: int
) -> None:
    await declared(client)
    await feed(engine, [order("1", total=100)])
    where = f"{await member(client)}/redemptions"
    asked = {"points": 1, **WHY}
    answer = await client.post(where, json=asked, headers=bearer("w", *scopes))
    assert answer.status_code == status
