"""Views of the inbox, who looks at what, words in cases, many changed at once, changes as told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from tests.support.waiting import eventually

from rapport_common import clock
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_feedback.api.case_work import Streams, Watch, changes
from rapport_feedback.domain import case_views
from rapport_feedback.domain.case_views import SHIPPED
from rapport_feedback.domain.desk import Desk
from rapport_feedback.handlers.assigning import Assigning
from rapport_feedback.handlers.bulk import CHANGE, JOBS, Bulk
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.store import case_search, inbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.feedback.tests.conftest import Service

    from rapport_feedback.settings import Settings

pytestmark = pytest.mark.integration
MANY = 20_000


@pytest.fixture
def cases(settings_with: Callable[..., Settings]) -> Cases:
    levels = settings_with().service_levels()
    return Cases(Publisher("feedback", EVENTS, b"k" * 32), levels, per_link=10)


async def opened(service: Service, **told: Any) -> dict[str, Any]:
    body = {"user_id": "u1", "subject": "Late", "body": "Three weeks late", **told}
    made = await service.client.post("/v1/cases", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def put(service: Service, path: str, **body: Any) -> None:
    told = await service.client.put(path, json=body)
    assert told.status_code == 200, told.text


async def seen(service: Service, view: str, **query: Any) -> list[int]:
    """The numbers of a view's cases, page by page."""
    found: list[int] = []
    cursor: str | None = None
    while True:
        asked = {"view": view, **query, **({"cursor": cursor} if cursor else {})}
        told = await service.client.get("/v1/inbox", params=asked)
        assert told.status_code == 200, told.text
        found += [one["number"] for one in told.json()["items"]]
        cursor = told.json()["next"]
        if cursor is None:
            return found


async def test_each_view_has_its_cases(service: Service) -> None:
    await put(service, "/v1/teams/two", members=["bob"], version=0, reason="r")
    await put(
        service, "/v1/queues/gold", team="two", when={"tier": ["gold"]}, version=0, reason="r"
    )
    await opened(service, owner="ann")
    gold = await opened(service, tier="gold")
    waits = await opened(service, owner="bob")
    late = await opened(service)
    for state in ("acknowledged", "assessed", "investigating", "waiting_customer"):
        await service.client.post(f"/v1/cases/{waits['id']}/state", json={"state": state})
    await service.change(
        "UPDATE feedback.complaint SET deadline_at = now() - interval '1 minute' "
        "WHERE workspace = :ws AND number = :number",
        number=late["number"],
    )
    await service.change(
        "UPDATE feedback.complaint SET deadline_at = NULL WHERE workspace = :ws AND number = 1"
    )
    assert await seen(service, "open", limit=1) == [4, 2, 3, 1]
    assert await seen(service, "mine") == [1]
    assert await seen(service, "mine", agent="bob") == [3]
    assert await seen(service, "unassigned") == [4, 2]
    assert await seen(service, "team", agent="bob") == [2]
    assert await seen(service, "team") == []
    assert await seen(service, "overdue") == [4]
    assert await seen(service, "waiting") == [3]
    await put(
        service,
        "/v1/case-views/mine",
        filters={"owner": ["@me", "@nobody"], "tier": ["gold", ""]},
        sort="newest",
        version=0,
        reason="ours",
    )
    assert await seen(service, "mine", limit=2) == [4, 2, 1]
    listed = (
        await service.client.get("/v1/case-views", params={"counts": True, "limit": 4})
    ).json()
    counted = {one["name"]: one["cases"] for one in listed["items"]}
    assert counted == {"mine": 3, "open": 4, "overdue": 1, "team": 0}
    rest = await service.client.get("/v1/case-views", params={"cursor": listed["next"]})
    assert [one["name"] for one in rest.json()["items"]] == ["unassigned", "waiting"]
    assert (await service.client.delete("/v1/case-views/mine")).status_code == 204
    assert await seen(service, "mine") == [1]
    assert (await service.client.get("/v1/inbox", params={"view": "no"})).status_code == 404
    bad = await service.client.get("/v1/inbox", params={"cursor": "WzFd"})
    assert bad.status_code == 422
    assert gold["queue"] == "gold"


async def test_who_has_it_open_is_seen_until_they_have_not(service: Service) -> None:
    case = await opened(service)
    path = f"/v1/cases/{case['id']}/presence"
    first = (await service.client.put(path, json={})).json()
    assert first["others"] == []
    other = (await service.client.put(path, json={"agent": "bob", "writing": True})).json()
    assert [(one["agent"], one["writing"]) for one in other["others"]] == [("ann", False)]
    [shown] = (await service.client.get("/v1/inbox")).json()["items"]
    assert [one["agent"] for one in shown["viewers"]] == ["ann", "bob"]
    assert (await service.client.delete(path)).status_code == 204
    await service.change("UPDATE feedback.case_presence SET until_at = now() WHERE workspace = :ws")
    [after] = (await service.client.get("/v1/inbox")).json()["items"]
    assert after["viewers"] == []


async def found(service: Service, words: str) -> list[tuple[int, str]]:
    told = await service.client.get("/v1/cases/search", params={"q": words})
    assert told.status_code == 200, told.text
    return [(one["number"], one["places"][0]) for one in told.json()["items"]]


@pytest.mark.parametrize(
    ("order", "asked"),
    [
        ("A-1234", ["A-1234", "a-12", "1234", "a 1234"]),
        ("kettle-1", ["kettle-1", "kettle", "1"]),
        ("2024-001234", ["2024-001234", "2024", "001234"]),
        ("order_77", ["order_77", "77"]),
        ("AB/123", ["AB/123", "ab/12"]),
    ],
)
async def test_orders_are_found_as_they_are_written(
    service: Service, order: str, asked: list[str]
) -> None:
    case = await opened(service)
    await service.client.patch(f"/v1/cases/{case['id']}", json={"order_id": order, "reason": "x"})
    await opened(service, subject="Another")
    for words in asked:
        assert await found(service, words) == [(1, "case")], words
    async with service.engine.begin() as tx:
        none = await case_search.search(tx, service.workspace, "'-'", before=None, limit=5)
    assert none == [], "what has no word for Postgres finds nothing, not everything"


async def test_words_are_found_wherever_they_are(service: Service) -> None:
    case = await opened(service, subject="Kettle broken", email="ada@example.com")
    await opened(service, subject="退款申请", body="我的包裹还没有到")
    path = f"/v1/cases/{case['id']}"
    note = {"kind": "note", "note": "Spoke about the refund"}
    await service.client.post(f"{path}/entries", json=note)
    await service.client.post(f"{path}/state", json={"state": "acknowledged", "note": "by phone"})
    assert await found(service, "KETTLE brok") == [(1, "case")]
    assert await found(service, "refunds") == []
    assert await found(service, "refun") == [(1, "note")]
    assert await found(service, "phone") == [(1, "step")]
    assert await found(service, "ada@example.com") == [(1, "case")]
    assert await found(service, "包裹") == [(2, "case")]
    assert await found(service, "裹包") == []
    assert await found(service, "late") == [(1, "case")]
    assert await found(service, "late kettle") == [(1, "case")]
    assert await found(service, "it's \\ ' & | ! (") == []
    for nothing in ("&", " "):
        told = await service.client.get("/v1/cases/search", params={"q": nothing})
        assert told.status_code == 422
    async with service.as_operator("*", workspace="other") as stranger:
        told = await stranger.get("/v1/cases/search", params={"q": "kettle"})
        assert told.json()["items"] == []
    await service.change("UPDATE feedback.case_entry SET note = '' WHERE workspace = :ws")
    assert await found(service, "refun") == [], "what is gone is not found"


async def bulk(service: Service, use: Cases, **body: Any) -> tuple[list[str], list[str]]:
    """The verdicts and messages of a bulk change."""
    told = await service.client.post("/v1/cases/bulk", json=body)
    assert told.status_code == 202, told.text
    job_id = told.json()["job_id"]
    async with service.engine.begin() as tx:
        job = await JOBS.find(tx, service.workspace, job_id)
    assert job is not None
    assert job.kind == CHANGE
    for _ in range(2):  # the second time nothing is left to do
        async for _step in Bulk(service.engine, use, Assigning(use)).work(job):
            pass
    path = f"/v1/cases/bulk/{job_id}/verdicts"
    items = (await service.client.get(path)).json()["items"]
    return [one["verdict"] for one in items], [one["message"] for one in items]


async def test_each_case_of_many_has_its_own_verdict(service: Service, cases: Cases) -> None:
    await put(service, "/v1/agents/bob")
    three = [await opened(service, subject=f"s{n}") for n in range(3)]
    await service.client.patch(f"/v1/cases/{three[2]['id']}", json={"product": "kettle"})
    verdicts, messages = await bulk(
        service,
        cases,
        cases=[
            {"id": three[0]["id"]},
            {"id": three[1]["id"], "version": 1},
            {"id": three[2]["id"], "version": 1},
            {"id": "01890a5d-ac96-774b-bcce-b302099a8057"},
        ],
        change={"category": "damaged", "owner": "bob", "reason": "a batch"},
        state="acknowledged",
    )
    assert verdicts == ["changed", "changed", "refused", "refused"]
    assert "ann changed it" in messages[2]
    after = [(await service.client.get(f"/v1/cases/{one['id']}")).json() for one in three]
    assert [(one["state"], one["owner"], one["category"]) for one in after] == [
        ("acknowledged", "bob", "damaged"),
        ("acknowledged", "bob", "damaged"),
        ("received", "", ""),
    ]
    assert [one["kind"] for one in after[0]["entries"]] == ["fields", "assigned"]
    # What is refused in its last part is refused as a whole.
    verdicts, messages = await bulk(
        service, cases, view="open", change={"product": "cup"}, state="assessed", note="all"
    )
    assert verdicts == ["changed", "changed", "refused"]
    last = (await service.client.get(f"/v1/cases/{three[2]['id']}")).json()
    assert (last["product"], last["version"]) == ("kettle", 2)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"view": "open", "cases": [{"id": "01890a5d-ac96-774b-bcce-b302099a8057"}]},
        {"view": "waiting", "note": "nobody is"},
        {"cases": [{"id": "01890a5d-ac96-774b-bcce-b302099a8057"}]},
        {"view": "open", "note": "n", "change": {"version": 1}},
    ],
)
async def test_a_change_of_nothing_is_refused(service: Service, body: dict[str, Any]) -> None:
    assert (await service.client.post("/v1/cases/bulk", json=body)).status_code == 422


async def lines(service: Service, looks: int, last_id: str | None = None) -> list[dict[str, str]]:
    """The events of a stream of `looks` looks, without what a heart beats."""
    watch = Watch(service.workspace, "ann", "mine", last_id)
    whole = b"".join(
        [one async for one in changes(service.engine, watch, Streams(), looks=looks, pause=0)]
    )
    told = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for block in whole.decode().split("\n\n")
        if block
    ]
    return [one for one in told if "event" in one]


async def behind(service: Service, mark: str, *wanted: str) -> list[dict[str, str]]:
    """What a stream tells behind a mark, once it tells of these cases.

    What was changed is told when all that began before it has ended, in any database of the server.
    """

    async def look() -> list[dict[str, str]] | None:
        told = await lines(service, 1, mark)
        there = {json.loads(one["data"])["id"] for one in told if one["event"] in {"case", "gone"}}
        return told if there.issuperset(wanted) else None

    found = await eventually("news of cases", look)
    assert found is not None
    return found


async def test_changes_are_told_and_none_is_lost_between_two_streams(service: Service) -> None:
    await opened(service, owner="ann")
    first = await lines(service, 1)
    assert [one["event"] for one in first] == ["ready", "end"], "what was before is in the list"
    mark = first[0]["id"]
    case = await opened(service, owner="ann")
    other = await opened(service)
    told = await behind(service, mark, case["id"], other["id"])
    assert [one["event"] for one in told] == ["ready", "case", "gone", "end"]
    assert json.loads(told[1]["data"])["id"] == case["id"]
    assert "body" not in json.loads(told[1]["data"])
    assert json.loads(told[2]["data"]) == {"id": other["id"]}
    assert [one["event"] for one in await lines(service, 2, told[2]["id"])] == ["ready", "end"]
    for unknown in ("nonsense", "9223372036854775807." + "0" * 32 + ".1", f"1.{'0' * 32}.1"):
        again = await lines(service, 1, unknown)
        assert [one["event"] for one in again] == ["reset", "ready", "end"]


async def test_who_commits_later_is_not_passed_over(service: Service) -> None:
    """A transaction that began before what was read, and ends after that."""
    mark = (await lines(service, 1))[0]["id"]
    first = await opened(service, owner="ann")
    async with service.engine.connect() as slow:
        await slow.execute(
            text(
                "UPDATE feedback.complaint SET subject = 'slow' "
                "WHERE workspace = :ws AND number = 1"
            ),
            {"ws": service.workspace},
        )
        await slow.execute(
            text(
                "INSERT INTO feedback.case_change (workspace, xid, case_id) VALUES (:ws, "
                "CAST(CAST(pg_current_xact_id() AS text) AS bigint), :case)"
            ),
            {"ws": service.workspace, "case": first["id"]},
        )
        second = await opened(service, owner="ann")
        early = await lines(service, 1, mark)
        seen_now = [json.loads(one["data"])["id"] for one in early if one["event"] == "case"]
        assert second["id"] not in seen_now, "it waits for what began before it"
        go_on = [one["id"] for one in early if "id" in one][-1]
        await slow.commit()
    late = await behind(service, go_on, first["id"], second["id"])
    told = {json.loads(one["data"])["id"] for one in late if one["event"] == "case"}
    assert {first["id"], second["id"]} <= told


async def test_views_are_read_by_their_indexes(service: Service) -> None:
    """Of many cases no view reads all: as the planner sees it."""
    await service.change(
        "INSERT INTO feedback.complaint (workspace, case_id, number, state, step, subject, body, "
        "opened_at, deadline_at, owner, queue) SELECT :ws, gen_random_uuid(), n, CASE WHEN n % 10 "
        "= 0 THEN 'waiting_customer' WHEN n % 3 = 0 THEN 'received' ELSE 'closed' END, 1, 's', "
        "'b', now(), now() + n * interval '1 minute', CASE WHEN n % 7 = 0 THEN 'ann' WHEN n % 5 "
        "= 0 THEN 'bob' ELSE '' END, CASE WHEN n % 50 = 0 THEN 'gold' ELSE '' END "
        "FROM generate_series(1, :many) AS n",
        many=MANY,
    )
    async with service.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await alone.execute(text("ANALYZE feedback.complaint"))
    now = clock.now()
    for name, view in SHIPPED.items():
        asked = case_views.asked(view, "ann", Desk())
        async with service.engine.begin() as tx:
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
            page = await inbox.page(tx, service.workspace, asked, now, after=None, limit=100)
            assert len(page) == {"overdue": 0, "team": 0}.get(name, 100)
    where, given = inbox._where(case_views.asked(SHIPPED["mine"], "ann", Desk()), now)
    plans = []
    for rest in (f"{where} AND deadline_at IS NOT NULL ORDER BY deadline_at, number", where):
        rows = await service.rows(
            f"EXPLAIN SELECT * FROM feedback.complaint WHERE {rest} LIMIT 100",
            workspace=service.workspace,
            **given,
        )
        plans.append("\n".join(str(one["QUERY PLAN"]) for one in rows))
    assert all("Seq Scan" not in one for one in plans), plans
    counted = (await service.client.get("/v1/case-views", params={"counts": True})).json()["items"]
    told = {one["name"]: (one["cases"], one["cases_more"]) for one in counted}
    assert told["open"] == (1000, True)
    assert told["team"] == (0, False)
