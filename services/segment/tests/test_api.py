"""The operator API over a real Postgres: what it does, and what it refuses."""

import random
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from services.segment.tests.building import build
from services.segment.tests.generating import Chance
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.membership import Membership
from rapport_segment.api.callers import PREVIEWS
from rapport_segment.api.rules import EXAMPLE, Rule
from rapport_segment.domain.leaves import COUNTS, INSTANTS
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import REVENUE
from rapport_segment.handlers import previewing, sampling
from rapport_segment.handlers.activity import Judging

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

RICH = {"computed": "revenue", "currency": "USD", "op": "gte", "value": "500"}
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}
IDS = [uuid.UUID(int=number) for number in range(1, 8)]
Create = Callable[[httpx.AsyncClient, str, object], Awaitable[dict[str, Any]]]
Published = Callable[[], Awaitable[list[Membership]]]


@pytest.fixture
def apply(engine: AsyncEngine, records: "Records") -> Callable[..., Awaitable[None]]:
    handler = Judging()

    async def apply(*values: ProfileActivity) -> None:
        async with engine.begin() as tx:
            await handler.on_activity([records.record(one) for one in values], tx)

    return apply


@pytest.fixture
async def people(records: "Records", apply: Callable[..., Awaitable[None]]) -> None:
    """Seven people whose revenue goes from 100 to 700 USD; the last two are gold."""
    await apply(
        *(
            records.state(
                who,
                revenue={"USD": f"{100 * (index + 1)}.50"},
                traits={"plan": "gold"} if index > 4 else {},
            )
            for index, who in enumerate(IDS)
        )
    )


@pytest.fixture
def create(engine: AsyncEngine) -> Create:
    async def create(client: httpx.AsyncClient, name: str, rule: object) -> dict[str, Any]:
        answer = await client.post("/v1/segments", json={"name": name, "rule": rule})
        assert answer.status_code == 202, answer.text
        await build(engine)
        made: dict[str, Any] = (await client.get(f"/v1/segments/{answer.json()['id']}")).json()
        return made

    return create


@pytest.mark.usefixtures("people")
async def test_a_new_segment_takes_in_whom_it_fits(
    create: Create, client: httpx.AsyncClient, published: Published
) -> None:
    made = await create(client, " rich ", RICH)
    assert (made["name"], made["version"], made["members"]) == ("rich", 1, 3)
    assert made["rule"] == RICH
    told = await published()
    assert [(one.change, one.cause, one.profile_id) for one in told] == [
        ("entered", "definition", str(who)) for who in IDS[4:]
    ]
    assert told[0].reason == "revenue USD 500.50 >= 500"
    shown = (await client.get(f"/v1/segments/{made['id']}")).json()
    assert (shown["members"], shown["status"]) == (3, "ready")
    versions = (await client.get(f"/v1/segments/{made['id']}/versions")).json()
    assert [one["created_by"] for one in versions["items"]] == ["ada"]
    listed = (await client.get("/v1/segments")).json()["items"]
    assert [(one["id"], one["members"]) for one in listed] == [(made["id"], 3)]


@pytest.mark.usefixtures("people")
async def test_a_changed_rule_moves_the_difference(
    create: Create, client: httpx.AsyncClient, engine: AsyncEngine, published: Published
) -> None:
    made = await create(client, "rich", RICH)
    before = len(await published())
    rule = {"or": [{**RICH, "value": 700}, {"not": {**RICH, "value": 200}}]}
    path = f"/v1/segments/{made['id']}"
    changed = (await client.patch(path, json={"name": "odd", "rule": rule})).json()
    # The name is another at once, the rule when it is built.
    assert (changed["version"], changed["name"], changed["status"]) == (2, "odd", "ready")
    assert (changed["rule"], changed["members"]) == (RICH, 3)
    assert (changed["upcoming"]["rule"], changed["upcoming"]["status"]) == (rule, "building")
    await build(engine)
    changed = (await client.get(path)).json()
    assert (changed["members"], changed["status"], changed["upcoming"]) == (2, "ready", None)
    told = (await published())[before:]
    assert sorted((one.change, one.profile_id, one.segment_version) for one in told) == [
        ("entered", str(IDS[0]), 3),
        ("exited", str(IDS[4]), 3),
        ("exited", str(IDS[5]), 3),
    ]
    again = (await client.patch(path, json={"name": "odd", "rule": rule})).json()
    assert (again["version"], again["upcoming"]) == (3, None)
    renamed = (await client.patch(path, json={"name": "strange"})).json()
    assert (renamed["version"], renamed["status"]) == (4, "ready")
    assert await build(engine) == 0
    assert len(await published()) == before + 3


@pytest.mark.usefixtures("people")
async def test_a_segment_can_be_put_to_rest_and_woken(
    create: Create, client: httpx.AsyncClient, engine: AsyncEngine, published: Published
) -> None:
    made = await create(client, "rich", RICH)
    path = f"/v1/segments/{made['id']}"
    await client.patch(path, json={"active": False})
    await build(engine)
    rested = (await client.get(path)).json()
    assert (rested["active"], rested["members"], rested["status"]) == (False, 0, "ready")
    why = (await client.get(f"{path}/members/{IDS[6]}")).json()
    assert (why["member"], why["reason"]) == (False, "the segment is not active")
    await client.patch(path, json={"active": True})
    await build(engine)
    woken = (await client.get(path)).json()
    assert (woken["version"], woken["members"]) == (3, 3)
    entries = [one.entry_id for one in await published()]
    assert len(set(entries)) == 6


async def test_many_members_are_taken_in_page_by_page(
    create: Create,
    client: httpx.AsyncClient,
    engine: AsyncEngine,
    records: "Records",
    apply: Callable[..., Awaitable[None]],
) -> None:
    ids = [uuid.UUID(int=number) for number in range(1, 36)]
    for who in random.Random(1).sample(ids, len(ids)):
        await apply(records.state(who, traits={"plan": "gold"}))
    answer = await client.post("/v1/segments", json={"name": "gold", "rule": GOLD})
    made = answer.json()
    assert (made["status"], made["members"]) == ("building", 0)
    await build(engine, page=7)
    job = (await client.get(f"/v1/jobs/{made['job_id']}")).json()
    assert (job["state"], job["done"], job["total"]) == ("done", len(ids), len(ids))
    seen: list[str] = []
    page: dict[str, Any] = {"next": None}
    while not seen or page["next"]:
        query = {"limit": 10} | ({"cursor": page["next"]} if page["next"] else {})
        answer = await client.get(f"/v1/segments/{made['id']}/members", params=query)
        page = answer.json()
        seen += [one["id"] for one in page["items"]]
    assert seen == [str(who) for who in ids]


@pytest.mark.usefixtures("people")
async def test_a_preview_counts_and_keeps_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/segments/preview", json={"rule": {"and": [RICH, GOLD]}})
    assert (answer.json()["count"], answer.json()["of"]) == (2, 7)
    assert (await client.get("/v1/segments")).json() == {"items": [], "next": None}


@pytest.mark.usefixtures("people")
async def test_a_workspace_has_its_share_of_previews_and_no_more(client: httpx.AsyncClient) -> None:
    body = {"rule": RICH}
    with PREVIEWS.place("acme"), PREVIEWS.place("acme"):
        busy = await client.post("/v1/segments/preview", json=body)
        assert (busy.status_code, busy.json()["code"]) == (429, "busy")
        assert int(busy.headers["retry-after"]) >= 1
    with PREVIEWS.place("other"), PREVIEWS.place("other"):
        assert (await client.post("/v1/segments/preview", json=body)).is_success


@pytest.mark.usefixtures("people")
async def test_a_preview_that_has_no_time_at_all_says_that_nothing_is_known(
    client: httpx.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "PREVIEW_SECONDS", 0.05)
    monkeypatch.setattr(sampling, "SECONDS", 0.05)
    async with engine.connect() as other:
        # It waits for this lock, which stands for a table that takes long to read.
        await other.execute(text("LOCK TABLE segment.person IN ACCESS EXCLUSIVE MODE"))
        slow = await client.post("/v1/segments/preview", json={"rule": RICH})
        await other.rollback()
    assert slow.status_code == 200
    found = slow.json()
    assert (found["count"], found["of"], found["interval"]) == (None, None, None)
    assert (found["estimate"], found["sampled"], found["sampled_percent"]) == (True, 0, 0.0)
    assert {one["count"] for one in found["parts"]} == {None}
    assert (set(found["reach"].values()), found["people"], found["hints"]) == ({None}, [], [])


async def test_the_document_has_the_rules_schema(api: FastAPI) -> None:
    schemas = api.openapi()["components"]["schemas"]
    rule = schemas["NewSegment"]["properties"]["rule"]
    assert {"$ref": "#/components/schemas/Rule"} in rule["anyOf"]
    names = {one["$ref"].rpartition("/")[2] for one in schemas["Rule"]["anyOf"]}
    kinds = {"TraitRule", "ComputedRule", "DefinedRule", "IdentifierRule", "ContactPointRule"}
    kinds |= {"ConsentRule", "ReachableRule", "BucketRule", "SegmentRule", "ListRule", "ScoreRule"}
    kinds |= {"PerformedRule", "CountRule", "SumRule", "AverageRule", "MinRule", "MaxRule"}
    kinds |= {"DistinctRule", "FirstRule", "LastRule", "NthRule", "SequenceRule"}
    kinds |= {"FirstToldRule", "LastToldRule", "NthToldRule", "AnswerRule"}
    kinds |= {"GroupRule", "CaseRule"}
    assert names == {"AllOf", "OneOf", "NotThis", *kinds}
    # What the schema takes is what the parser knows.
    assert Rule.model_validate(EXAMPLE).model_dump(by_alias=True, exclude_unset=True) == EXAMPLE
    assert parse(dict(EXAMPLE))
    known = schemas["ComputedRule"]["properties"]["computed"]["enum"]
    assert set(known) == {*COUNTS, *INSTANTS, REVENUE}


@pytest.mark.usefixtures("people")
async def test_why_somebody_is_in_or_not(
    create: Create,
    client: httpx.AsyncClient,
    records: "Records",
    apply: Callable[..., Awaitable[None]],
) -> None:
    made = await create(client, "rich and gold", {"and": [RICH, GOLD]})
    path = f"/v1/segments/{made['id']}/members"
    inside = (await client.get(f"{path}/{IDS[6]}")).json()
    assert inside["member"]
    assert inside["entered_at"]
    assert inside["reason"] == 'revenue USD 700.50 >= 500 and trait plan "gold" = "gold"'
    outside = (await client.get(f"{path}/{IDS[4]}")).json()
    assert (outside["member"], outside["entered_at"]) == (False, None)
    assert outside["reason"] == 'trait plan missing, wanted = "gold"'
    assert outside["explanation"] == [
        {
            "path": "and[0]",
            "subject": "revenue USD",
            "op": "gte",
            "wanted": "500",
            "actual": "500.50",
            "result": True,
            "until": None,
            "events": [],
        },
        {
            "path": "and[1]",
            "subject": "trait plan",
            "op": "eq",
            "wanted": "gold",
            "actual": None,
            "result": False,
            "until": None,
            "events": [],
        },
    ]
    await apply(records.merged(IDS[6], IDS[5]))
    merged = (await client.get(f"{path}/{IDS[6]}")).json()
    assert (merged["id"], merged["member"]) == (str(IDS[5]), True)


@pytest.mark.usefixtures("people")
async def test_the_ledger_adds_up(
    create: Create,
    client: httpx.AsyncClient,
    records: "Records",
    apply: Callable[..., Awaitable[None]],
) -> None:
    await create(client, "rich", RICH)
    await apply(records.state(IDS[6]), records.merged(IDS[5], IDS[4]))
    ledger = (await client.get("/v1/ledger")).json()
    assert (ledger["entered"], ledger["exited"]) == (3, 2)
    assert ledger["entered"] - ledger["exited"] == ledger["open_memberships"]
    assert ledger["persons"] == 6


@pytest.mark.usefixtures("people")
async def test_workspaces_do_not_see_each_other(
    create: Create, client: httpx.AsyncClient, client_of: Callable[..., httpx.AsyncClient]
) -> None:
    made = await create(client, "rich", RICH)
    async with client_of("other") as other:
        assert (await create(other, "rich", RICH))["members"] == 0
        path = f"/v1/segments/{made['id']}"
        for one in (path, f"{path}/members", f"{path}/members/{IDS[6]}"):
            assert (await other.get(one)).status_code == 404
        assert (await other.patch(path, json={"name": "x"})).status_code == 404
        assert (await other.post(f"{path}/rebuild")).status_code == 404
        assert (await other.delete(path)).status_code == 404
        preview = await other.post("/v1/segments/preview", json={"rule": RICH})
        assert (preview.json()["count"], preview.json()["of"]) == (0, 0)


async def test_names_are_unique(create: Create, client: httpx.AsyncClient) -> None:
    first = await create(client, "rich", RICH)
    second = await create(client, "gold", GOLD)
    answers = [
        await client.post("/v1/segments", json={"name": "rich", "rule": GOLD}),
        await client.patch(f"/v1/segments/{second['id']}", json={"name": "rich"}),
    ]
    for answer in answers:
        assert answer.status_code == 409
        assert answer.json()["details"] == {"id": first["id"]}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/segments", "segments:read"),
        ("PATCH", f"/v1/segments/{IDS[0]}", "segments:read"),
        ("DELETE", f"/v1/segments/{IDS[0]}", "segments:read"),
        ("POST", f"/v1/segments/{IDS[0]}/rebuild", "segments:read"),
        ("POST", "/v1/segments/preview", "segments:write"),
        ("GET", "/v1/segments", "segments:write"),
        ("GET", f"/v1/segments/{IDS[0]}", "segments:write"),
        ("GET", f"/v1/segments/{IDS[0]}/members", "segments:write"),
        ("GET", f"/v1/segments/{IDS[0]}/members/{IDS[0]}", "segments:write"),
        ("GET", "/v1/ledger", "segments:read"),
    ],
)
async def test_every_route_asks_for_its_scope(
    client_of: Callable[..., httpx.AsyncClient], method: str, path: str, scope: str
) -> None:
    body = {"name": "rich", "rule": RICH} if method != "GET" else None
    async with client_of(scopes=(scope,)) as one:
        assert (await one.request(method, path, json=body)).status_code == 403
    async with client_of() as one:
        one.headers.pop("authorization")
        assert (await one.request(method, path, json=body)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v1/segments/{IDS[0]}", 404),
        ("GET", f"/v1/segments/{IDS[0]}/members", 404),
        ("GET", f"/v1/segments/{IDS[0]}/members/{IDS[0]}", 404),
        ("GET", "/v1/segments/7", 422),
        ("GET", "/v1/segments/%00/members", 422),
        ("GET", f"/v1/segments/{IDS[0]}/members?limit=0", 422),
        ("GET", f"/v1/segments/{IDS[0]}/members?limit=99999999999999999999", 422),
        ("GET", f"/v1/segments/{IDS[0]}/members?cursor=x%00", 422),
        ("GET", f"/v1/segments/{IDS[0]}/versions?cursor=WzFlMzBd", 422),
        ("DELETE", f"/v1/segments/{IDS[0]}", 404),
        ("PUT", f"/v1/segments/{IDS[0]}", 405),
    ],
)
async def test_unknown_and_malformed_addresses(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "details"}


async def test_an_unknown_profile_of_a_known_segment(
    create: Create, client: httpx.AsyncClient
) -> None:
    made = await create(client, "rich", RICH)
    answer = await client.get(f"/v1/segments/{made['id']}/members/{IDS[0]}")
    assert answer.status_code == 404


async def test_a_bad_rule_is_refused_with_its_place(client: httpx.AsyncClient) -> None:
    rule = {"and": [RICH, {**GOLD, "op": "like"}]}
    for path in ("/v1/segments", "/v1/segments/preview"):
        body = {"rule": rule} if path.endswith("preview") else {"name": "x", "rule": rule}
        answer = await client.post(path, json=body)
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_rule"
        assert answer.json()["details"] == {"path": "and[1].op"}


NASTY = [
    b"",
    b"[]",
    b"null",
    b"{",
    b"\xff",
    b'{"name":"x"}',
    b'{"name":"","rule":{}}',
    b'{"name":"a\\u0000","rule":{"trait":"a","op":"exists"}}',
    b'{"name":"\\ud800","rule":{"trait":"a","op":"exists"}}',
    b'{"name":"x","rule":{"trait":"\\ud800","op":"exists"}}',
    b'{"name":"x","rule":{"\\ud800":1}}',
    b'{"name":"x","rule":{"trait":"a","op":"exists"},"\\ud800":1}',
    b'{"name":"x","rule":{"trait":"a","op":"exists"},"workspace":"other"}',
    b'{"name":"x","rule":{"trait":"a","op":"eq","value":NaN}}',
    b'{"name":"x","rule":{"trait":"a","op":"eq","value":1e999}}',
    b'{"name":"x","rule":{"trait":"a","op":"eq","value":' + b"9" * 5000 + b"}}",
    b'{"name":"x","rule":{"trait":"a","op":"eq","value":{"x":1}}}',
    b'{"name":"x","rule":' + b'{"not":' * 3000 + b"1" + b"}" * 3000 + b"}",
    b'{"name":"x","rule":' + b"[" * 100000,
    b'{"name":"' + b"x" * 201 + b'","rule":{"trait":"a","op":"exists"}}',
]


@pytest.mark.parametrize("body", NASTY, ids=lambda body: body[:60])
async def test_nasty_bodies_are_the_callers_fault(client: httpx.AsyncClient, body: bytes) -> None:
    for method, path in (("POST", "/v1/segments"), ("PATCH", f"/v1/segments/{IDS[0]}")):
        answer = await client.request(
            method, path, content=body, headers={"content-type": "application/json"}
        )
        assert 400 <= answer.status_code < 500, answer.text
        assert set(answer.json()) == {"code", "message", "details"}


async def test_a_rule_may_be_a_line(create: Create, client: httpx.AsyncClient) -> None:
    line = 'orders >= 2 and not plan = "free" and last_order_at within last 30d'
    counted = await client.post("/v1/segments/preview", json={"text": line})
    assert (counted.status_code, counted.json()["count"]) == (200, 0)
    made = (await client.post("/v1/segments", json={"name": "loyal", "text": line})).json()
    assert made["text"] == line
    assert made["rule"]["and"][1] == {"not": {"trait": "plan", "op": "eq", "value": "free"}}
    address = f"/v1/segments/{made['id']}"
    changed = await client.patch(address, json={"text": "orders >= 3"})
    assert changed.json()["rule"] == {"computed": "orders", "op": "gte", "value": 3}
    versions = (await client.get(f"{address}/versions")).json()["items"]
    assert [one["text"] for one in versions] == ["orders >= 3", line]
    given = await create(client, "given", made["rule"])
    assert given["text"] == line


@pytest.mark.parametrize(
    ("body", "status", "details"),
    [
        ({"text": "orders >> 2"}, 422, {"column": 9}),
        ({"text": "orders >= x"}, 422, {"column": 11}),
        ({"text": "since within last 0d"}, 422, {"column": 14, "path": "value.last"}),
    ],
)
async def test_a_line_that_is_none_is_refused_with_its_column(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, details: dict[str, Any]
) -> None:
    answer = await client.post("/v1/segments/preview", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, "invalid_rule")
    assert answer.json()["details"] == details


@pytest.mark.parametrize("body", [{}, {"text": "orders >= 2", "rule": GOLD}])
async def test_a_preview_has_one_rule(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await client.post("/v1/segments/preview", json=body)).status_code == 422


async def test_the_schema_of_rules_takes_what_the_parser_takes(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/v1/segments/schema")).json()
    takes = jsonschema_rs.validator_for(schema)
    for seed in range(300):
        document = Chance(seed).rule()
        assert parse(document)
        assert takes.is_valid(document), document
    assert not takes.is_valid({"trait": "a", "op": "resembles", "value": 1})
