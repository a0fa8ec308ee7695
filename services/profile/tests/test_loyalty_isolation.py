"""What is known of one workspace's points, computed traits and rules is nobody else's."""

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.loyal import order
from services.profile.tests.postgres import feed
from services.profile.tests.test_loyalty_stored import WHY, declared, member, points, redeemed
from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.integration
OTHERS = bearer("v", "profiles:read", "profiles:write", "loyalty:redeem")


async def test_another_workspace_has_no_part_in_points(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await declared(client)
    await feed(engine, [order("1", total=100)])
    made = (await redeemed(client, 60)).json()
    where, before = await member(client), await points(client)
    profile, redemption = where.removesuffix("/loyalty"), f"/v1/loyalty/redemptions/{made['id']}"
    # They have a programme of their own, and every right in their workspace.
    mine = (await client.get("/v1/loyalty/programme")).json()["programme"]
    asked = {"programme": {**mine, "name": "Theirs"}, "version": 0, **WHY}
    theirs = await client.put("/v1/loyalty/programme", json=asked, headers=OTHERS)
    assert theirs.status_code == 200, theirs.text
    requests = [
        ("GET", where, None),
        ("GET", f"{where}/entries", None),
        ("POST", f"{where}/redemptions", {"points": 1, **WHY}),
        ("POST", f"{where}/adjustments", {"points": 5, **WHY}),
        ("POST", f"{where}/enrol", WHY),
        ("POST", f"{where}/leave", WHY),
        ("GET", redemption, None),
        *(("POST", f"{redemption}/{what}", None) for what in ("confirm", "cancel", "reverse")),
        ("GET", f"{profile}/trait-history?name=plan", None),
    ]
    for method, path, said in requests:
        answer = await client.request(method, path, json=said, headers=OTHERS)
        assert answer.status_code == 404, (method, path, answer.text)
    assert await points(client) == before
    assert (await client.get("/v1/loyalty/programme")).json()["programme"]["name"] == "Club"


@pytest.mark.parametrize("number", [10**18, 2**63, 10**400, -(10**18), 1.5, "1e99", True])
async def test_points_out_of_all_bounds_are_refused(
    client: httpx.AsyncClient, engine: AsyncEngine, number: object
) -> None:
    await declared(client)
    await feed(engine, [order("1", total=100)])
    where, before = await member(client), await points(client)
    for path in ("redemptions", "adjustments"):
        answer = await client.post(f"{where}/{path}", json={"points": number, **WHY})
        assert answer.status_code in {409, 422}, (path, answer.text)
    assert await points(client) == before
