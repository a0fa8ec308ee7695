"""A person's timeline over the API: filters, orders, bounds, and one's own event."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import pytest
from services.profile.tests.conftest import bearer, hands
from services.profile.tests.parts import fresh_parts
from services.profile.tests.people import IDS, event
from services.profile.tests.postgres import feed, records
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.waiting import eventually

from rapport_common.limits import WorkspaceLimit
from rapport_common.months import Month
from rapport_common.routes import add_routes
from rapport_profile.api import routers
from rapport_profile.consumer import subscriptions
from rapport_profile.handlers import timeline as handler
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.store import reads, timeline

pytestmark = pytest.mark.integration
DAY = 24 * 60
"""Minutes."""


async def person(client: httpx.AsyncClient, user: str = "U") -> str:
    found = await client.get("/v1/profiles", params={"kind": "user_id", "value": user})
    return f"/v1/profiles/{found.json()['id']}/timeline"


async def listed(client: httpx.AsyncClient, path: str, **asked: Any) -> list[str]:
    """The message ids of all pages."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={"limit": 3, **asked, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= 3
        found += [one["message_id"] for one in page["items"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


@pytest.fixture
async def path(engine: AsyncEngine, client: httpx.AsyncClient) -> str:
    """The timeline of somebody with events of several months under two identifiers."""
    await fresh_parts(engine)
    history = [
        event(
            f"m{n:02}",
            type="page" if n % 3 else "track",
            name=["Order Completed", "Home", "Shop"][n % 3],
            said={"total": n, "products": [{"sku": f"s{n % 4}"}]},
            at=n * 9 * DAY,
            **({"user_id": "U"} if n % 2 else {"anonymous_id": "a"}),
        )
        for n in range(16)
    ]
    await feed(engine, [*history, event("last", user_id="U", anonymous_id="a", at=-20 * DAY)])
    return await person(client)


async def test_newest_and_oldest_first_over_all_parts(client: httpx.AsyncClient, path: str) -> None:
    newest = [*(f"m{n:02}" for n in reversed(range(16))), "last"]
    assert await listed(client, path) == newest
    assert await listed(client, path, order="oldest") == newest[::-1]
    march = {"since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}
    assert await listed(client, path, **march) == ["m09", "m08", "m07"]
    assert await listed(client, path, order="oldest", **march) == ["m07", "m08", "m09"]
    ever = {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"}
    assert await listed(client, path, **ever) == newest
    assert await listed(client, path, order="oldest", **ever) == newest[::-1]
    assert await listed(client, path, until="0001-01-02T00:00:00Z") == []
    assert await listed(client, path, since="9999-12-31T00:00:00Z", order="oldest") == []


@pytest.mark.parametrize("most", [2, 5_000])
async def test_filters_with_whatever_bound_give_the_same(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(handler, "MOST_EVENTS", most)
    monkeypatch.setattr(handler, "STEP", 4)
    orders = [f"m{n:02}" for n in (15, 12, 9, 6, 3, 0)]
    assert await listed(client, path, name="Order Completed") == orders
    assert await listed(client, path, type="track", name=["Order Completed", "Shop"]) == orders
    pages = [f"m{n:02}" for n in range(16) if n % 3]
    assert await listed(client, path, type="page", source="shop", order="oldest") == pages
    sku = {"property": "products.sku", "equals": "s1"}
    assert await listed(client, path, **sku) == ["m13", "m09", "m05", "m01"]
    assert await listed(client, path, **sku, name="Order Completed") == ["m09"]
    assert await listed(client, path, property="total", equals="7.0") == ["m07"]
    assert await listed(client, path, source="till") == []


async def test_a_rare_event_of_a_large_person_is_looked_for_within_bounds(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, most in (("MOST_EVENTS", 3), ("MOST_CHARACTERS", 3), ("MOST_SECONDS", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(handler, bound, most)
            patch.setattr(handler, "STEP", 3)
            rare: dict[str, Any] = {"property": "total", "equals": "0", "limit": 1}
            first = (await client.get(path, params=rare)).json()
            assert first["items"] == []
            assert first["next"] is not None
            assert await listed(client, path, **rare) == ["m00"]


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"property": "total"}, "equals"),
        ({"equals": "1"}, "property"),
        ({"after": "m1"}, "after_source"),
        ({"after_source": "shop"}, "after"),
    ],
)
async def test_half_a_question_is_refused(
    client: httpx.AsyncClient, path: str, asked: dict[str, str], parameter: str
) -> None:
    answer = await client.get(path, params=asked)
    assert answer.status_code == 422
    assert answer.json()["details"] == {"parameter": parameter}
    for wrong in ({"type": "click"}, {"order": "best"}, {"name": ["x"] * 21}):
        assert (await client.get(path, params=wrong)).status_code == 422


class Waiting:
    """An API whose waits a test ends, and what has told it of commits."""

    def __init__(self, arrivals: Arrivals, client: httpx.AsyncClient) -> None:
        self.arrivals = arrivals
        self.client = client


@pytest.fixture
async def waiting(engine: AsyncEngine) -> AsyncIterator[Waiting]:
    limit = WorkspaceLimit("waits", each=2, total=3)
    arrivals = Arrivals(engine, seconds=3_600, look_seconds=3_600, limit=limit)
    app = patient_app("profile")
    add_routes(app, *routers(engine, IDS, hands(arrivals)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer("w", "*")
    ) as client:
        yield Waiting(arrivals, client)
    await rest(arrivals)


def asked(number: int, **more: str) -> dict[str, str]:
    return {
        "kind": "user_id",
        "value": "U",
        "after": f"m{number}",
        "after_source": "shop",
        **more,
    }


async def rest(arrivals: Arrivals) -> None:
    """Return when the database is asked no more: nobody waits."""

    async def rests() -> bool:
        return not arrivals.is_looking

    await eventually("nobody looks", rests)


async def wait_for(arrivals: Arrivals, count: int) -> None:
    """Return when so many wait."""

    async def enough() -> bool:
        return arrivals.waiting == count

    await eventually(f"{count} who wait", enough)


async def test_who_has_just_sent_an_event_is_answered_when_it_is_applied(
    engine: AsyncEngine, waiting: Waiting
) -> None:
    subscription, _scores = subscriptions(IDS, waiting.arrivals.applied)

    async def waits(count: int) -> None:
        async def enough() -> bool:
            return sum(map(len, waiting.arrivals._waiting.values())) == count

        await eventually(f"{count} waiters", enough)

    async with asyncio.TaskGroup() as group:
        pair = [
            group.create_task(waiting.client.get("/v1/profiles", params=asked(1))) for _ in range(2)
        ]
        await wait_for(waiting.arrivals, 2)
        # A third one of this workspace, and nobody else's place.
        refused = await waiting.client.get("/v1/profiles", params=asked(2))
        assert (refused.status_code, refused.json()["code"]) == (429, "busy")
        # What another source says under this id, and what is rolled back, is not it.
        async with engine.begin() as tx:
            batch = records([event("m0", user_id="U")])
            await subscription.handle(batch, tx)
        async with engine.begin() as tx:
            await subscription.handle(records([event("m1", user_id="U")]), tx)
    answers = [one.result() for one in pair]
    assert [one.status_code for one in answers] == [200, 200]
    # What is there already is not waited for.
    again = await waiting.client.get("/v1/profiles", params=asked(1))
    assert again.status_code == 200
    assert waiting.arrivals._waiting == {}


async def test_what_another_process_applies_is_looked_for(
    engine: AsyncEngine, waiting: Waiting
) -> None:
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(waiting.client.get("/v1/profiles", params=asked(1)))

        async def somebody() -> bool:
            return bool(waiting.arrivals._waiting)

        await eventually("a waiter", somebody)
        await feed(engine, [event("m1", user_id="U")])
        await waiting.arrivals.look([("w", "shop", "m1")])
    assert answer.result().status_code == 200


async def test_what_does_not_come_is_said_so(engine: AsyncEngine) -> None:
    await feed(engine, [event("m1", user_id="U")])
    app = patient_app("profile")
    arrivals = Arrivals(engine, seconds=0.05, look_seconds=0.01)
    add_routes(app, *routers(engine, IDS, hands(arrivals)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer("w", "*")
    ) as client:
        found = await client.get("/v1/profiles", params=asked(1))
        path = f"/v1/profiles/{found.json()['id']}"
        own = {"after": "m2", "after_source": "shop"}
        for where in (path, f"{path}/timeline"):
            answer = await client.get(where, params=own)
            assert (answer.status_code, answer.json()["code"]) == (409, "not_applied")
            assert answer.json()["details"] == {"message_id": "m2", "source": "shop"}
            assert answer.headers["Retry-After"] == "1"
        # Another workspace's event is none of this one's.
        foreign = await client.get(
            "/v1/profiles", params=asked(1), headers=bearer("other", "profiles:read")
        )
        assert foreign.status_code == 409
    await rest(arrivals)


PAGE = 51


async def test_a_page_reads_as_much_as_it_has(engine: AsyncEngine) -> None:
    """Of a person with 10,000 events in 24 months: under each identifier those of one page."""
    await fresh_parts(engine, Month(2025, 1), Month(2026, 12))
    await feed(engine, [event("first", user_id="U", anonymous_id="a")])
    hubs = [IDS.of("w", one) for one in (("user_id", "U"), ("anonymous_id", "a"))]
    fill = text(
        "INSERT INTO profile.timeline (workspace, identifier_id, timestamp, source, message_id, "
        "event) SELECT 'w', (CAST(:hubs AS uuid[]))[1 + n % 2], "
        "CAST(:end AS timestamptz) - n * interval '104 minutes', 'shop', 'n' || n, "
        "'{}' FROM generate_series(1, 10000) n"
    )
    async with engine.begin() as tx:
        end = datetime(2026, 12, 31, tzinfo=UTC)
        await tx.execute(fill, {"hubs": hubs, "end": end})
        rows = await tx.execute(text("SELECT profile_id FROM profile.identifier LIMIT 1"))
        who = reads.Person("w", rows.scalar_one())
        middle = (end - 5_000 * timedelta(minutes=104), "shop", "n5000")
        await timeline.begin(tx)
        for after, oldest_first in product((None, middle), (False, True)):
            span = timeline.Span(oldest_first=oldest_first)
            statement, asking = timeline.query(who, span, PAGE, after)
            explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
            plan = (await tx.execute(explained, asking)).scalar_one()
            assert PAGE <= rows_read(plan[0]["Plan"]) <= 2 * PAGE


def rows_read(plan: dict[str, Any]) -> float:
    """How many rows of timelines a plan has read, those that it threw away included."""
    read = sum(map(rows_read, plan.get("Plans", ())))
    if plan.get("Relation Name", "").startswith("timeline"):
        thrown = plan.get("Rows Removed by Filter", 0)
        read += (plan["Actual Rows"] + thrown) * plan["Actual Loops"]
    return float(read)


async def test_timeline_rules_are_versions_by_whom_and_why(client: httpx.AsyncClient) -> None:
    none = (await client.get("/v1/timeline-rules")).json()
    assert (none["version"], none["classes"], none["actor"]) == (0, [], None)
    first = {"classes": [{"types": ["page"], "days": 90}], "version": 0, "reason": "clicks"}
    made = await client.put("/v1/timeline-rules", json=first)
    assert made.status_code == 200, made.text
    shown = (await client.get("/v1/timeline-rules")).json()
    assert shown == made.json()
    assert shown["classes"] == [{"types": ["page"], "names": [], "days": 90}]
    assert (shown["version"], shown["actor"], shown["reason"]) == (1, "ada", "clicks")
    late = await client.put("/v1/timeline-rules", json=first)
    assert (late.status_code, late.json()["details"]) == (409, {"version": 1})
    second = {"classes": [], "version": 1, "reason": "all of it"}
    assert (await client.put("/v1/timeline-rules", json=second)).status_code == 200
    history = (await client.get("/v1/timeline-rules/history", params={"limit": 1})).json()
    assert [one["version"] for one in history["items"]] == [2]
    older = {"cursor": history["next"]}
    rest = (await client.get("/v1/timeline-rules/history", params=older)).json()
    assert [one["reason"] for one in rest["items"]] == ["clicks"]


@pytest.mark.parametrize(
    ("classes", "where"),
    [
        ([{"days": 1}, {"types": ["page"], "days": 2}], "classes.0"),
        ([{"names": ["a*b"], "days": 2}], "classes.0.names"),
    ],
)
async def test_timeline_rules_that_can_not_be_are_refused(
    client: httpx.AsyncClient, classes: list[dict[str, Any]], where: str
) -> None:
    told = {"classes": classes, "version": 0, "reason": "x"}
    answer = await client.put("/v1/timeline-rules", json=told)
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": where})
    for wrong in ({"days": 0}, {"types": ["click"], "days": 1}, {"names": ["\0"], "days": 1}, {}):
        told = {"classes": [wrong], "version": 0, "reason": "x"}
        assert (await client.put("/v1/timeline-rules", json=told)).status_code == 422
    stranger = await client.put(
        "/v1/timeline-rules", json=told, headers=bearer("w", "profiles:read")
    )
    assert stranger.status_code == 403
