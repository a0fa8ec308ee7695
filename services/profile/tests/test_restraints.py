"""What is not to be done with a person's data holds until it is lifted, whoever it is of."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import IDS, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common import clock
from rapport_common.events.activity import ProfileActivity, Restraint
from rapport_common.kafka.store import read_tallies
from rapport_profile.domain.own_events import RestraintSaid, restraint_events
from rapport_profile.domain.restraints import (
    Restrained,
    hear,
    is_only_kept,
    keep_newest,
    restraint_said,
    standing,
)
from rapport_profile.domain.sections import RESTRAINTS
from rapport_profile.domain.stamps import Stamp
from rapport_profile.store.restraints import FORGOTTEN

ZOE, MAX, NOBODY = (
    {"kind": kind, "value": value}
    for kind, value in (("email", "Zoe@Example.com"), ("user_id", "M"), ("email", "no@example.com"))
)
HISTORY = [
    event("1", type="identify", user_id="Z", email="zoe@example.com"),
    event("2", user_id="Z", anonymous_id="x", at=1),
    event("3", user_id="M", at=2),
]
PATH = "/v1/privacy/restraints"


async def restrained(
    client: httpx.AsyncClient, who: dict[str, str], what: str = "processing", key: str = "k"
) -> dict[str, Any]:
    body = {"identifier": who, "what": what, "reason": "letter 4712"}
    answer = await client.post(PATH, json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def lifted(client: httpx.AsyncClient, restraint: str) -> httpx.Response:
    return await client.post(f"{PATH}/{restraint}/lift", json={"reason": "letter 4713"})


async def holding(client: httpx.AsyncClient, kind: str, value: str) -> Any:
    """What holds of whoever has an identifier."""
    asked = {"kind": kind, "value": value}
    answer = await client.get("/v1/profiles", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["restraints"]


@pytest.mark.integration
async def test_it_is_lifted_by_whosever_clock(
    client: httpx.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes have two clocks; and the database's may have been set back since."""
    await feed(engine, HISTORY)
    made = await restrained(client, ZOE, "marketing")
    behind = clock.now() - timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: behind)
    assert (await lifted(client, made["id"])).status_code == 200
    assert await holding(client, "user_id", "Z") == []
    ahead = await restrained(client, ZOE, "marketing", key="other")
    async with engine.begin() as tx:
        await tx.execute(text("UPDATE profile.restraint SET at = at + interval '1 hour'"))
    gone = await lifted(client, ahead["id"])
    assert gone.json()["lifted_at"] > gone.json()["created_at"]


@pytest.mark.integration
async def test_it_holds_at_once_is_told_and_lifted(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await restrained(client, ZOE, "marketing")
    assert (made["state"], made["identifiers"], made["actor"]) == ("holds", 3, "ada")
    assert (await restrained(client, ZOE, "marketing"))["id"] == made["id"], "once"
    assert await holding(client, "anonymous_id", "x") == ["marketing"]
    assert await holding(client, "user_id", "M") == []
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "profile.activity")
        assert (await read_tallies(tx, "profile"))["profiled"] == len(HISTORY), "not of the topic"
    told = [msgspec.json.decode(row.value, type=ProfileActivity) for row in rows]
    assert [one.restraints for one in told if one.restraints is not None][-1] == ["marketing"]
    seen = (await client.get("/v1/profiles", params={"kind": "user_id", "value": "Z"})).json()
    assert seen["computed"]["last_seen_at"] == "2026-01-01T00:01:00Z", "they were not here"
    ended = await lifted(client, made["id"])
    assert (ended.json()["state"], ended.json()["lifted_by"]) == ("lifted", "ada")
    assert (await lifted(client, made["id"])).status_code == 409
    assert await holding(client, "user_id", "Z") == []
    assert (await client.get(PATH)).json()["items"] == [ended.json()]
    assert (await client.get(f"{PATH}/{made['id']}")).json() == ended.json()
    assert await checked(engine) == NOTHING


@pytest.mark.integration
async def test_it_goes_with_both_parts_and_into_a_merge_whoever_had_some_lifted(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await restrained(client, ZOE)
    other = await restrained(client, MAX, key="other")
    assert (await lifted(client, other["id"])).status_code == 200
    pair = {"one": {"kind": "user_id", "value": "Z"}, "reason": "r"}
    apart = {**pair, "other": ZOE}
    assert (await client.post("/v1/profiles/keep-apart", json=apart)).status_code == 201
    for kind, value in (("user_id", "Z"), ("email", "zoe@example.com")):
        assert await holding(client, kind, value) == ["processing"]
    merge = {**pair, "other": MAX}
    assert (await client.post("/v1/profiles/merge", json=merge)).status_code == 201
    assert await holding(client, "user_id", "M") == ["processing"]
    assert (await lifted(client, made["id"])).status_code == 200
    for kind, value in (("user_id", "M"), ("email", "zoe@example.com")):
        assert await holding(client, kind, value) == []
    assert await checked(engine) == NOTHING


@pytest.mark.integration
async def test_of_whom_nobody_knows_it_holds_when_they_come(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    made = await restrained(client, NOBODY, "marketing")
    assert (made["profile_id"], made["identifiers"]) == (None, 1)
    await feed(engine, [event("1", user_id="N", email="no@example.com")])
    assert await holding(client, "user_id", "N") == ["marketing"]


@pytest.mark.integration
async def test_who_is_only_to_be_kept_is_in_no_export(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await restrained(client, ZOE)
    await restrained(client, MAX, "marketing", key="other")
    wish = {"columns": ["id", "restraints"], "format": "csv"}
    lines = (await client.post("/v1/profiles/export", json=wish)).text.splitlines()
    assert (len(lines), "marketing" in lines[1]) == (2, True)
    assert (await lifted(client, made["id"])).status_code == 200
    lines = (await client.post("/v1/profiles/export", json=wish)).text.splitlines()
    assert len(lines) == 3


@pytest.mark.integration
async def test_whom_it_was_of_is_not_known_once_they_are_forgotten(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await restrained(client, ZOE)
    theirs = [IDS.of("w", one).replace("-", "") for one in (("user_id", "Z"), ("email", "x"))]
    given = {"workspace": "w", "subjects": theirs}
    async with engine.begin() as tx:
        for wanted in (1, 0):
            assert await tx.scalar(text(FORGOTTEN.counting or ""), given) == wanted
            await tx.execute(text(FORGOTTEN.statement or ""), {**given, "limit": 9})
    assert (await client.get(f"{PATH}/{made['id']}")).json()["identifiers"] == 2


@pytest.mark.integration
async def test_whose_they_are_and_what_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    made = await restrained(client, ZOE)
    path = f"{PATH}/{made['id']}"
    assert (await client.get(path, headers=bearer("v", "*"))).status_code == 404
    reader = bearer("w", "privacy:read")
    assert (await client.get(path, headers=reader)).status_code == 200
    for way in (path + "/lift", PATH):
        refused = await client.post(way, json={"reason": "x"}, headers=reader)
        assert refused.status_code == 403
    nothing = await lifted(client, "0190a5c0-0000-7000-8000-0000000000e1")
    assert nothing.status_code == 404
    for body in ({}, {"identifier": ZOE, "what": "all", "reason": "x"}, {"identifier": ZOE}):
        assert (await client.post(PATH, json=body)).status_code == 422


def test_only_this_service_tells_of_them_in_a_form_that_can_be_read() -> None:
    (one,) = restraint_events(
        "w", RestraintSaid("r", "processing"), [("email", "e")], HISTORY[0].timestamp, holds=True
    )
    said = restraint_said(one)
    assert said is not None
    assert (said[0], said[1].what, said[1].holds) == ("r", "processing", True)
    replace = msgspec.structs.replace
    assert restraint_said(replace(one, source="shop")) is None
    assert restraint_said(replace(one, properties=msgspec.Raw(b'{"restraint_id": 1}'))) is None


def test_those_that_hold_outlive_those_that_are_lifted() -> None:
    at = HISTORY[0].timestamp
    known = {
        str(n): Restrained("marketing", n == 0, Stamp(at, str(n), "profile")) for n in range(999)
    }
    keep_newest(known)
    assert len(known) == 200
    assert standing(known) == ["marketing"]


@pytest.mark.parametrize(
    ("what", "wanted"), [("processing", True), ("marketing", False), ("profiling", False)]
)
def test_only_processing_leaves_nothing_but_keeping(what: Restraint, *, wanted: bool) -> None:
    at = HISTORY[0].timestamp
    known = {"r": Restrained(what, True, Stamp(at, "1", "profile"))}
    assert is_only_kept(known) is wanted
    assert hear(known, {"r": Restrained(what, False, Stamp(at, "2", "profile"))}) == RESTRAINTS
    assert not is_only_kept(known)
    # What was said before that changes nothing.
    assert hear(known, {"r": Restrained(what, True, Stamp(at, "1", "profile"))}) == 0
