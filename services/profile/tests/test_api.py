"""The API over a real database: found, merged, foreign and nonsense ids."""

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import IDS, event
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.kafka.batch import Record
from rapport_profile.handlers import events as handlers

pytestmark = pytest.mark.integration
NOBODY = "f3fef9e5-16dc-47fa-a2b4-3d4c1b482afe"


@pytest.fixture(name="client")
async def ada(engine: AsyncEngine, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """An operator of workspace `w`, in which one person browsed, signed up and bought."""
    history = [
        event("1", type="page", name="Home", anonymous_id="a", at=1),
        event(
            "2",
            type="identify",
            anonymous_id="a",
            user_id="U",
            email="ada@example.com",
            traits={"name": "Ada", "plan": "gold", "old": None},
            at=2,
        ),
        event("3", name="Order Completed", user_id="U", said={"total": 12.5}, at=3),
    ]
    async with engine.begin() as tx:
        records = [Record("events", 0, at, b"", one) for at, one in enumerate(history)]
        await handlers.on_events(IDS, records, tx)
    return client


async def test_a_person_is_found_by_any_identifier(client: httpx.AsyncClient) -> None:
    found = [
        (await client.get("/v1/profiles", params={"kind": kind, "value": value})).json()
        for kind, value in [
            ("user_id", "U"),
            ("anonymous_id", "a"),
            ("email", " ADA@example.com"),
            # As ids are stored: trimmed, without format characters at their ends.
            ("user_id", " U\ufeff "),
        ]
    ]
    assert found[0] == found[1] == found[2] == found[3]
    assert found[0]["traits"] == {"name": "Ada", "plan": "gold"}
    assert found[0]["computed"]["revenue"] == {"USD": "12.5"}
    assert found[0]["identifiers"] == [
        {"kind": "anonymous_id", "value": "a"},
        {"kind": "email", "value": "ada@example.com"},
        {"kind": "user_id", "value": "U"},
    ]


async def test_timeline_and_links_say_where_it_comes_from(client: httpx.AsyncClient) -> None:
    found = await client.get("/v1/profiles", params={"kind": "user_id", "value": "U"})
    profile_id = found.json()["id"]
    timeline = await client.get(f"/v1/profiles/{profile_id}/timeline", params={"limit": 2})
    assert [one["message_id"] for one in timeline.json()["items"]] == ["3", "2"]
    links = (await client.get(f"/v1/profiles/{profile_id}/links")).json()["items"]
    assert {(one["b_value"], one["message_id"]) for one in links} == {
        ("ada@example.com", "2"),
        ("a", "2"),
    }


async def test_a_midnight_import_is_paged(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    """Many events at one instant: each page goes on where the one before ended."""
    history = [event(f"i{n}", type="page", user_id="U", at=9) for n in range(7)]
    async with engine.begin() as tx:
        records = [Record("events", 0, at, b"", one) for at, one in enumerate(history)]
        await handlers.on_events(IDS, records, tx)
    found = await client.get("/v1/profiles", params={"kind": "user_id", "value": "U"})
    path = f"/v1/profiles/{found.json()['id']}"
    for part, size in (("timeline", 10), ("links", 2), ("identifiers", 3), ("traits", 2)):
        listed: list[object] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get(f"{path}/{part}", params={"limit": 2, **cursor})).json()
            listed += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert len(listed) == len({str(one) for one in listed}) == size


async def test_totals(client: httpx.AsyncClient) -> None:
    totals = (await client.get("/v1/stats")).json()
    assert totals == {"profiles": 1, "events": 3, "orders": 1, "revenue": {"USD": "12.5"}}
    ledger = (await client.get("/v1/ledger")).json()
    assert ledger["tallies"]["profiled"] == 3


async def test_another_workspace_sees_nothing(client: httpx.AsyncClient) -> None:
    found = await client.get("/v1/profiles", params={"kind": "user_id", "value": "U"})
    path = f"/v1/profiles/{found.json()['id']}"
    other = bearer("other", "*")
    for route in (path, f"{path}/timeline", f"{path}/links", "/v1/profiles?kind=user_id&value=U"):
        answer = await client.get(route, headers=other)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    weak = await client.get(path, headers=bearer("w", "segments:read"))
    assert weak.status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/profiles/not-a-uuid", 422),
        (f"/v1/profiles/{NOBODY}", 404),
        ("/v1/profiles", 422),
        ("/v1/profiles?kind=user_id&value=%00", 422),
        ("/v1/profiles?kind=user_id&value=nobody", 404),
        (f"/v1/profiles/{NOBODY}/timeline?limit=0", 422),
        (f"/v1/profiles/{NOBODY}/timeline?until=yesterday", 422),
        (f"/v1/profiles/{NOBODY}/timeline?limit=99999999999999999999", 422),
    ],
)
async def test_nonsense_is_refused_with_a_reason(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "details"}
