"""Every route of profile, asked by those who may not: what is one workspace's stays its own.

The routes are those of the OpenAPI document, with its examples, so a new one is attacked, too.
"""

import base64
import re
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from services.profile.tests.grouped import joined
from services.profile.tests.loyal import order
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from services.profile.tests.test_groups_stored import settled
from services.profile.tests.test_loyalty_stored import WHY, declared, member, redeemed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.reference import operations
from rapport_common.testing.credentials import mint
from rapport_profile.tables import METADATA

pytestmark = pytest.mark.integration

CANARY = "canary-7f3a"
MAIL = f"{CANARY}@example.com"
SCOPES = [
    *("profiles:read", "profiles:write", "profiles:export", "loyalty:redeem"),
    *("privacy:read", "privacy:write", "ops"),
]
ADA = {"identifier": {"kind": "user_id", "value": "A"}}
WHOSE = {"kind": "email", "value": MAIL, "contact_point": MAIL, "key": f"{CANARY}-company"}
"""What a query asks about, by the parameter's name, where it is not as in the example."""
OPEN = {"/healthz", "/readyz", "/v1/privacy/keys"}
"""Nothing of a workspace; the keys by which receipts are checked are everybody's."""
OWN_NAMES = {"name"}
"""Parameters of paths by which each workspace has things of its own: a name, not an id."""
NOT_THERE = {
    "duplicate_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "dead_letter_id": "7",
    "key_id": "7",
    "row_id": "7",
}
"""What the shop of the test has none of."""


class Operation(NamedTuple):
    """A route with a method, and what its document says of it."""

    method: str
    path: str
    told: dict[str, Any]

    @property
    def named(self) -> list[str]:
        """The parameters in its path."""
        return re.findall(r"{(\w+)(?::\w+)?}", self.path)

    async def send(
        self, client: httpx.AsyncClient, named: dict[str, str], headers: dict[str, str]
    ) -> httpx.Response:
        path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: named[found[1]], self.path)
        asked = {
            one["name"]: WHOSE.get(one["name"], one.get("example"))
            for one in self.told.get("parameters", ())
            if one["in"] == "query" and one.get("required")
        }
        content = self.told.get("requestBody", {}).get("content", {}).get("application/json", {})
        examples = [one["value"] for one in content.get("examples", {}).values()]
        body = content.get("example", examples[0] if examples else None)
        return await client.request(self.method, path, params=asked, json=body, headers=headers)


def routes(app: FastAPI) -> list[Operation]:
    """All operations, those last that end things."""
    found = [
        Operation(method.upper(), path, told) for path, method, told in operations(app.openapi())
    ]
    return sorted((one for one in found if one.path not in OPEN), key=lambda one: one.method)


async def made(client: httpx.AsyncClient, path: str, body: Any, method: str = "POST") -> Any:
    answer = await client.request(method, path, json=body)
    assert answer.status_code < 300, (path, answer.text)
    return answer.json()


@pytest.fixture
async def things(client: httpx.AsyncClient, engine: AsyncEngine) -> dict[str, str]:
    """A shop with one of everything, by the name of the parameter that names it."""
    await declared(client)
    company = f"{CANARY}-company"
    await feed(
        engine,
        [
            event("1", type="identify", user_id="A", email=MAIL, traits={"name": CANARY}),
            event("2", user_id="B", anonymous_id="x"),
            joined("3", company, user_id="A", traits={"plan": CANARY}),
            order("4", total=100),
        ],
    )
    await settled(engine)
    loyalty = await member(client)
    document = {"events": [{"event": "Order Completed"}], "aggregate": "count"}
    trait = {"definition": document, "version": 0, "reason": CANARY}
    await made(client, "/v1/computed-traits/visits", trait, "PUT")
    rules = {"kinds": {"email": {"max_per_profile": 5}}, "version": 0, "reason": CANARY}
    await made(client, "/v1/merge-rules", rules, "PUT")
    ends = {"one": {"kind": "user_id", "value": "A"}, "other": {"kind": "user_id", "value": "B"}}
    decision = await made(client, "/v1/profiles/keep-apart", {**ends, "reason": CANARY})
    right = {**ADA, "traits": {"name": f"{CANARY} put right"}, "reason": CANARY}
    group = await client.get("/v1/groups/lookup", params={"kind": "company", "key": company})
    privacy = {
        what: (await made(client, f"/v1/privacy/{path}", body))["id"]
        for what, path, body in (
            ("rectification_id", "rectifications", right),
            ("restraint_id", "restraints", {**ADA, "what": "marketing", **WHY}),
            ("access_id", "access", {**ADA, **WHY}),
            ("erasure_id", "erasures", {"identifier": {"kind": "user_id", "value": "B"}, **WHY}),
        )
    }
    return {
        **NOT_THERE,
        **privacy,
        "profile_id": loyalty.split("/")[3],
        "redemption_id": (await redeemed(client, 10)).json()["id"],
        "group_id": group.json()["id"],
        "decision_id": decision["decision_id"],
        "name": "visits",
    }


async def dump(engine: AsyncEngine) -> dict[str, tuple[int, str]]:
    """All that the workspace has, by table: how many rows, and a hash of them."""
    found = {}
    async with engine.begin() as tx:
        for table in METADATA.sorted_tables:
            if "workspace" not in table.columns:
                continue
            rows = await tx.execute(
                text(
                    "SELECT count(*), md5(coalesce(string_agg(md5(CAST(t AS text)), '' "
                    f"ORDER BY md5(CAST(t AS text))), '')) FROM profile.{table.name} t "
                    "WHERE workspace = 'w'"
                )
            )
            count, digest = rows.one()
            found[table.name] = (count, digest)
    return found


async def attacked(
    app: FastAPI, client: httpx.AsyncClient, things: dict[str, str], headers: dict[str, str]
) -> list[tuple[Operation, httpx.Response]]:
    """Each operation on the things of the workspace; nothing of it is in any answer."""
    found = []
    for one in routes(app):
        assert set(one.named) <= things.keys(), f"{one.path}: what does the shop have of it?"
        answer = await one.send(client, things, headers)
        assert answer.status_code < 500, (one.method, one.path, answer.text)
        assert CANARY not in answer.text.replace(MAIL, "").replace(WHOSE["key"], ""), one.path
        found.append((one, answer))
    return found


async def test_who_has_every_right_in_another_workspace_has_none_in_this_one(
    app: FastAPI, client: httpx.AsyncClient, engine: AsyncEngine, things: dict[str, str]
) -> None:
    before = await dump(engine)
    token = mint("v", "eve", SCOPES, timedelta(hours=1))
    answers = await attacked(app, client, things, {"Authorization": f"Bearer {token}"})
    named = [each for each in answers if set(each[0].named) - OWN_NAMES]
    found = [each for each in named if each[1].status_code not in {403, 404}]
    assert [(one.method, one.path, answer.text) for one, answer in found] == []
    for one, answer in answers:
        if one.method == "GET" and answer.status_code == 200 and "items" in answer.text:
            assert things["profile_id"] not in answer.text, one.path
    assert await dump(engine) == before
    # The attack was one: the owner's own requests are answered.
    assert sum(answer.status_code < 300 for _one, answer in answers) > len(answers) // 4
    mine = await client.get(f"/v1/profiles/{things['profile_id']}")
    assert CANARY in mine.text


@pytest.mark.parametrize("credential", ["none", "public write key", "write key as token"])
async def test_who_has_no_token_is_told_nothing(
    app: FastAPI,
    client: httpx.AsyncClient,
    engine: AsyncEngine,
    things: dict[str, str],
    credential: str,
) -> None:
    before = await dump(engine)
    key = "wk_w_web_0123456789abcdef0123456789abcdef"
    basic = base64.b64encode(f"{key}:".encode()).decode()
    said = {"none": "", "public write key": f"Basic {basic}", "write key as token": f"Bearer {key}"}
    headers = {"Authorization": said[credential]}
    for one, answer in await attacked(app, client, things, headers):
        assert answer.status_code == 401, (one.method, one.path, answer.text)
    assert await dump(engine) == before


async def test_who_has_another_scope_is_refused(
    app: FastAPI, client: httpx.AsyncClient, engine: AsyncEngine, things: dict[str, str]
) -> None:
    before = await dump(engine)
    token = mint("w", "eve", ["campaigns:write"], timedelta(hours=1))
    for one, answer in await attacked(app, client, things, {"Authorization": f"Bearer {token}"}):
        assert answer.status_code == 403, (one.method, one.path, answer.text)
    assert await dump(engine) == before


async def test_who_may_only_read_changes_nothing(
    app: FastAPI, client: httpx.AsyncClient, engine: AsyncEngine, things: dict[str, str]
) -> None:
    """By no route, whatever its method."""
    before = await dump(engine)
    token = mint("w", "eve", ["profiles:read", "privacy:read"], timedelta(hours=1))
    for one in routes(app):
        answer = await one.send(client, things, {"Authorization": f"Bearer {token}"})
        assert answer.status_code < 500, (one.method, one.path, answer.text)
    assert await dump(engine) == before
