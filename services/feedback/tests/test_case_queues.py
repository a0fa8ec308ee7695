"""Cases land in queues and find their agents: taken, pushed, given back; never one to two."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rapport_common import clock
from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_feedback.handlers.assigning import Assigning
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.placing import JOBS, PLACE
from rapport_feedback.handlers.placing_anew import PlacingAnew
from rapport_feedback.store import cases as case_store
from rapport_feedback.tables import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.feedback.tests.conftest import Service

    from rapport_feedback.settings import Settings

pytestmark = pytest.mark.integration
MINUTE = timedelta(minutes=1)


@pytest.fixture
def cases(settings_with: Callable[..., Settings]) -> Cases:
    levels = settings_with().service_levels()
    return Cases(Publisher("feedback", EVENTS, b"k" * 32), levels, per_link=10)


async def put(service: Service, path: str, **body: Any) -> None:
    told = await service.client.put(path, json=body)
    assert told.status_code == 200, told.text


async def agent(service: Service, who: str, **told: Any) -> None:
    await put(service, f"/v1/agents/{who}", **told)


async def queue(service: Service, name: str, **told: Any) -> None:
    await put(service, f"/v1/queues/{name}", **{"version": 0, "reason": "first", **told})


async def opened(service: Service, **told: Any) -> dict[str, Any]:
    body = {"user_id": "u1", "subject": "Late", "body": "Three weeks late", **told}
    made = await service.client.post("/v1/cases", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def shown(service: Service, case: dict[str, Any]) -> dict[str, Any]:
    return dict((await service.client.get(f"/v1/cases/{case['id']}")).json())


async def owner(service: Service, case: dict[str, Any]) -> str:
    return str((await shown(service, case))["owner"])


async def take(service: Service, name: str, who: str) -> Any:
    return await service.client.post(f"/v1/queues/{name}/next", json={"agent": who})


async def here(service: Service, name: str, *, present: bool) -> None:
    told = await service.client.patch(f"/v1/agents/{name}", json={"present": present})
    assert told.status_code == 200, told.text


async def run(service: Service, cases: Cases, now: datetime | None = None) -> None:
    """Let what is due by then be done."""
    store = DueStore(SCHEMA, now=lambda: now or clock.now())
    worker = DueWorker(service.engine, store, Assigning(cases, store).kinds)
    while await worker.turn():
        pass


async def place(service: Service, cases: Cases) -> None:
    """Work off the newest job that lets open cases land anew."""
    async with service.engine.begin() as tx:
        [job] = await JOBS.latest(tx, service.workspace, kind=PLACE, limit=1)
    async for _ in PlacingAnew(service.engine, cases).work(job):
        pass


async def test_a_case_lands_and_moves_when_its_fields_change(
    service: Service, cases: Cases
) -> None:
    await queue(service, "all", order=500)
    await queue(service, "damaged", order=10, when={"category": ["damaged"], "language": ["de"]})
    case = await opened(service)
    assert case["queue"] == "all"
    body = {"category": "damaged", "language": "de", "reason": "as she told"}
    changed = (await service.client.patch(f"/v1/cases/{case['id']}", json=body)).json()
    assert changed["queue"] == "damaged"
    [entry] = (await shown(service, case))["entries"]
    assert entry["data"]["queue"] == ["all", "damaged"]
    assert (entry["actor"], entry["note"]) == ("ann", "as she told")
    assert (await service.client.delete("/v1/queues/damaged")).status_code == 204
    await place(service, cases)
    after = await shown(service, case)
    assert after["queue"] == "all"
    assert (after["entries"][-1]["actor"], after["entries"][-1]["note"]) == (
        "queues",
        "queue damaged",
    )


async def test_what_comes_by_itself_has_its_channel(service: Service) -> None:
    await queue(service, "surveys", when={"channel": ["survey"]})
    path = await service.link(await service.survey(), user_id="u1")
    await service.client.post(f"{path}/complaint", data={"subject": "Late", "body": "Very"})
    [case] = (await service.client.get("/v1/cases")).json()["items"]
    assert (case["channel"], case["queue"]) == ("survey", "surveys")


async def test_who_asks_gets_the_most_urgent_and_each_case_goes_to_one(service: Service) -> None:
    await queue(service, "all", mode="pull", urgency=["severity", "age"])
    low = await opened(service, severity="low")
    usual = [await opened(service) for _ in range(3)]
    worst = await opened(service, severity="critical")
    for name in ("ann", "bob", "cem"):
        await agent(service, name)
    first = (await take(service, "all", "ann")).json()["taken"]
    assert (first["id"], first["owner"]) == (worst["id"], "ann")
    second = (await take(service, "all", "ann")).json()["taken"]
    assert second["id"] == usual[0]["id"], "the low one is older, and waits"
    answers = await asyncio.gather(
        *(take(service, "all", name) for name in ("ann", "bob", "cem", "ann", "bob", "cem"))
    )
    taken = [one.json()["taken"] for one in answers]
    ids = [one["id"] for one in taken if one is not None]
    # Somebody may have been passed over who would have got one a moment later; nobody gets two's.
    assert len(ids) == len(set(ids))
    while (one := (await take(service, "all", "ann")).json()["taken"]) is not None:
        ids.append(one["id"])
    assert sorted(ids) == sorted([low["id"], *(one["id"] for one in usual[1:])])
    history = (await shown(service, usual[0]))["entries"][-1]
    assert history["kind"] == "assigned"
    assert history["data"]["mode"] == "pull"


async def test_nobody_takes_more_than_they_may_however_fast_they_ask(service: Service) -> None:
    await queue(service, "all", mode="pull")
    for _ in range(4):
        await opened(service)
    await agent(service, "ann", capacity=2)
    answers = await asyncio.gather(*(take(service, "all", "ann") for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [200, 200, 409, 409, 409]
    refused = next(one for one in answers if one.status_code == 409).json()
    assert (refused["code"], refused["details"]) == ("nobody_free", {"reason": "at capacity"})


async def test_why_somebody_can_take_none(service: Service) -> None:
    await put(service, "/v1/teams/two", members=["bob"], version=0, reason="first")
    await queue(service, "all", mode="pull", team="two", skills=["refunds"])
    unknown = await take(service, "all", "zoe")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    await agent(service, "ann", skills=["refunds"])
    await agent(service, "bob")
    reasons = [
        (await take(service, "all", one)).json()["details"]["reason"] for one in ("ann", "bob")
    ]
    assert reasons == ["not in the team", "without the skills"]
    await agent(service, "bob", skills=["refunds"], languages=["en"])
    await opened(service, language="de")
    assert (await take(service, "all", "bob")).json() == {"taken": None}
    await here(service, "bob", present=False)
    assert (await take(service, "all", "bob")).json()["details"] == {"reason": "away"}


async def test_a_queue_pushes_by_load_and_when_somebody_has_room(
    service: Service, cases: Cases
) -> None:
    await queue(service, "all", mode="push")
    await agent(service, "ann", capacity=1)
    await agent(service, "bob", capacity=2)
    four = [await opened(service) for _ in range(4)]
    await run(service, cases)
    owners = [await owner(service, one) for one in four]
    assert sorted(owners) == ["", "ann", "bob", "bob"]
    assert owners[3] == "", "the youngest waits"
    entry = (await shown(service, four[0]))["entries"][-1]
    assert (entry["kind"], entry["actor"]) == ("assigned", "queue all")
    assert entry["note"].startswith("pushed by all: 0 of ")
    theirs = next(one for one, who in zip(four, owners, strict=True) if who == "ann")
    for state in ("acknowledged", "assessed", "response_offered", "closed"):
        body = {"state": state}
        told = await service.client.post(f"/v1/cases/{theirs['id']}/state", json=body)
        assert told.status_code == 200
    await run(service, cases)
    assert await owner(service, four[3]) == "ann", "she has room again"


async def test_what_is_in_others_hands_is_pushed_a_little_later(
    service: Service, cases: Cases
) -> None:
    """A note is being written at it, just when it is its turn."""
    await queue(service, "all", mode="push")
    await agent(service, "ann", languages=["en"])
    held, other = await opened(service), await opened(service, language="de")
    async with service.engine.begin() as tx:
        await case_store.case(tx, service.workspace, held["id"], lock=True)
        await run(service, cases)
    assert await owner(service, held) == ""
    await run(service, cases, clock.now() + MINUTE)
    assert await owner(service, held) == "ann"
    assert await owner(service, other) == "", "nobody speaks it"
    due = await service.rows(
        "SELECT kind FROM feedback.due WHERE workspace = :ws AND kind = 'case_push'"
    )
    assert due == [], "and it is not tried again and again"


async def test_cases_come_back_from_who_is_away_and_go_to_who_comes(
    service: Service, cases: Cases
) -> None:
    await queue(service, "all", mode="push", return_minutes=30)
    await agent(service, "ann")
    case = await opened(service)
    await run(service, cases)
    assert await owner(service, case) == "ann"
    await here(service, "ann", present=False)
    await run(service, cases, clock.now() + 29 * MINUTE)
    assert await owner(service, case) == "ann"
    await queue(service, "all", mode="push", return_minutes=90, version=1)
    await run(service, cases, clock.now() + 31 * MINUTE)
    assert await owner(service, case) == "ann", "the queue waits for longer by now"
    await run(service, cases, clock.now() + 91 * MINUTE)
    back = await shown(service, case)
    assert (back["owner"], back["entries"][-1]["note"][:16]) == ("", "ann is away sinc")
    await agent(service, "bob")
    await run(service, cases)
    assert await owner(service, case) == "bob"


async def test_who_is_back_in_time_keeps_them(service: Service, cases: Cases) -> None:
    await queue(service, "all", mode="push", return_minutes=30)
    await agent(service, "ann")
    case = await opened(service)
    await run(service, cases)
    for present in (False, True):
        await here(service, "ann", present=present)
    await run(service, cases, clock.now() + 31 * MINUTE)
    assert await owner(service, case) == "ann"


async def test_by_word_and_by_choice(service: Service) -> None:
    case = await opened(service)
    path = f"/v1/cases/{case['id']}/assign"
    nobody = await service.client.post(path, json={})
    assert (nobody.status_code, nobody.json()["code"]) == (409, "nobody_free")
    assert nobody.json()["details"] == {"reason": "there are no agents"}
    await agent(service, "ann", capacity=1)
    await agent(service, "bob", capacity=5)
    chosen = (await service.client.post(path, json={"reason": "please"})).json()
    assert chosen["owner"] == "ann", "both have none: the first by id"
    stale = await service.client.post(path, json={"agent": "bob", "version": 1})
    assert stale.json()["code"] == "changed_meanwhile"
    moved = (await service.client.post(path, json={"agent": "bob"})).json()
    assert moved["owner"] == "bob"
    given = (await service.client.post(path, json={"nobody": True, "reason": "off"})).json()
    assert given["owner"] == ""
    modes = [one["data"]["mode"] for one in (await shown(service, case))["entries"]]
    assert modes == ["push", "manual", "manual"]


async def test_rules_of_the_desk_are_checked(service: Service) -> None:
    client = service.client
    for path, body, code in (
        ("/v1/queues/a", {"team": "none"}, 422),
        ("/v1/queues/a", {"urgency": ["due", "due"]}, 422),
        ("/v1/case-views/a", {"columns": ["nothing"]}, 422),
        ("/v1/teams/a", {"members": ["a b"]}, 422),
        ("/v1/teams/a", {"version": 3}, 409),
        ("/v1/teams/A", {}, 404),
    ):
        told = await client.put(path, json={"version": 0, "reason": "r", **body})
        assert told.status_code == code, (path, body, told.text)
    assert (await client.put("/v1/agents/a%20b", json={})).status_code == 422
    await put(service, "/v1/teams/two", members=["ann"], version=0, reason="first")
    await queue(service, "all", team="two")
    used = await client.delete("/v1/teams/two")
    assert (used.status_code, used.json()["details"]) == (409, {"queues": ["all"]})
    stranger = service.as_operator("*", workspace="other")
    async with stranger:
        assert (await stranger.get("/v1/queues")).json()["items"] == []
        assert (await stranger.get("/v1/queues/all")).status_code == 404
    [known] = (await client.get("/v1/queues")).json()["items"]
    assert (known["name"], known["team"], known["version"]) == ("all", "two", 1)
    await agent(service, "ann", name="Ann")
    [she] = (await client.get("/v1/agents")).json()["items"]
    assert (she["id"], she["name"], she["load"], she["present"]) == ("ann", "Ann", 0, True)
    assert (await client.delete("/v1/agents/ann")).status_code == 204
    assert (await client.get("/v1/agents/ann")).status_code == 404
