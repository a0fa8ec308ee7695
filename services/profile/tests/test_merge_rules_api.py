"""The API of merge rules: versions by whom and why, refusals that say what to do, whose."""

from collections.abc import Sequence

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.integration
RULES = {
    "order": ["loyalty_card"],
    "kinds": {
        "loyalty_card": {"max_per_profile": 1},
        "device_id": {"joins": False},
        "phone": {"max_new": {"count": 3, "days": 365}},
    },
    "blocked": {"email": [" Shop@EXAMPLE.com"]},
}
SHOWN = {
    "order": ["loyalty_card"],
    "kinds": {
        "loyalty_card": {"max_per_profile": 1, "max_new": None, "joins": True},
        "device_id": {"max_per_profile": None, "max_new": None, "joins": False},
        "phone": {"max_per_profile": None, "max_new": {"count": 3, "days": 365}, "joins": True},
    },
    "blocked": {"email": ["shop@example.com"]},
}


async def test_rules_are_versioned_by_whom_and_why(client: httpx.AsyncClient) -> None:
    none = (await client.get("/v1/merge-rules")).json()
    assert (none["version"], none["kinds"], none["actor"]) == (0, {}, None)
    made = await client.put("/v1/merge-rules", json={**RULES, "version": 0, "reason": "kiosks"})
    assert made.status_code == 202
    assert made.json()["job_id"]
    held = (await client.get("/v1/merge-rules")).json()
    assert {**held, **SHOWN} == held
    assert (held["version"], held["actor"], held["reason"]) == (1, "ada", "kiosks")
    late = await client.put("/v1/merge-rules", json={"version": 0, "reason": "x"})
    assert (late.status_code, late.json()["details"]) == (409, {"version": 1})
    await client.put("/v1/merge-rules", json={"version": 1, "reason": "back"})
    first = (await client.get("/v1/merge-rules/history", params={"limit": 1})).json()
    assert [one["version"] for one in first["items"]] == [2]
    rest = await client.get("/v1/merge-rules/history", params={"cursor": first["next"]})
    assert [one["reason"] for one in rest.json()["items"]] == ["kiosks"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"order": ["Store"]}, "order.0"),
        ({"kinds": {"user_id": {"max_per_profile": 3}}}, "kinds.user_id.max_per_profile"),
        ({"kinds": {"user_id": {"max_new": {"count": 1, "days": 1}}}}, "kinds.user_id.max_new"),
        (
            {"kinds": {"phone": {"max_per_profile": 2, "max_new": {"count": 2, "days": 1}}}},
            "kinds.phone.max_new.count",
        ),
        ({"blocked": {"email": ["nobody"]}}, "blocked.email"),
    ],
)
@pytest.mark.parametrize("path", ["", "/preview"])
async def test_what_cannot_be_is_named(
    client: httpx.AsyncClient, path: str, change: dict[str, object], where: str
) -> None:
    body = {**change, **({} if path else {"version": 0, "reason": "x"})}
    send = client.post if path else client.put
    answer = await send(f"/v1/merge-rules{path}", json=body)
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": where})
    assert (await client.get("/v1/merge-rules")).json()["version"] == 0


async def test_what_can_not_be_kept_is_named_by_its_place(client: httpx.AsyncClient) -> None:
    body = {"blocked": {"x": ["a\0"]}, "version": 0, "reason": "x"}
    answer = await client.put("/v1/merge-rules", json=body)
    [problem] = answer.json()["details"]["problems"]
    assert (answer.status_code, problem["path"]) == (422, "body.blocked.x.0")


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (["profiles:read"], "GET", "/v1/merge-rules", 200),
        (["profiles:read"], "PUT", "/v1/merge-rules", 403),
        (["profiles:write"], "PUT", "/v1/merge-rules", 202),
        (["profiles:read"], "POST", "/v1/merge-rules/preview", 403),
        (["profiles:write"], "POST", "/v1/merge-rules/preview", 202),
        (["profiles:write"], "POST", "/v1/profiles/rebuild", 403),
        (["ops"], "POST", "/v1/profiles/rebuild", 202),
        (["ops"], "PUT", "/v1/merge-rules", 403),
    ],
)
async def test_who_may_do_what(
    client: httpx.AsyncClient, scopes: Sequence[str], method: str, path: str, status: int
) -> None:
    body = {"version": 0, "reason": "x"} if method == "PUT" else {}
    answer = await client.request(
        method, path, headers=bearer("w", *scopes), json=None if method == "GET" else body
    )
    assert answer.status_code == status


async def test_rules_are_a_workspaces_own(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await feed(engine, [event("1", user_id="U")])
    await client.put("/v1/merge-rules", json={**RULES, "version": 0, "reason": "x"})
    other = await client.get("/v1/merge-rules", headers=bearer("other", "*"))
    assert other.json()["version"] == 0
