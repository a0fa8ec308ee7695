"""Many people at once, by any of their identifiers."""

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import IDS, event
from services.profile.tests.postgres import feed
from sqlalchemy import event as sql_events
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError
from rapport_profile.handlers.looking_up import look_up

pytestmark = pytest.mark.integration
PATH = "/v1/profiles/lookup"


@pytest.fixture(name="client")
async def two(engine: AsyncEngine, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """An operator of workspace `w`, in which Ada has three identifiers and Bob has one."""
    await feed(
        engine,
        [
            event("1", type="identify", user_id="A", email="a@x.org", traits={"name": "Ada"}),
            event("2", user_id="A", anonymous_id="x", name="Order Completed", said={"total": 1}),
            event("3", type="identify", user_id="B", traits={"name": "Bob"}),
        ],
    )
    return client


def named(*identifiers: tuple[str, str]) -> list[dict[str, str]]:
    return [{"kind": kind, "value": value} for kind, value in identifiers]


ASKED = named(("user_id", "B"), ("user_id", "nobody"), ("email", " A@X.org"), ("anonymous_id", "x"))


async def test_the_answer_is_in_the_order_of_the_question(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json={"identifiers": [*ASKED, ASKED[0]]})
    bob, nobody, ada, again, twice = answer.json()["items"]
    assert nobody == {"kind": "user_id", "value": "nobody", "profile": None}
    assert (ada["value"], ada["profile"]["traits"]) == ("a@x.org", {"name": "Ada"})
    assert again["profile"] == ada["profile"]
    assert twice == bob
    alone = await client.get("/v1/profiles", params={"kind": "user_id", "value": "A"})
    assert ada["profile"] == alone.json()


async def test_only_the_sections_that_are_asked_for_are_shown(client: httpx.AsyncClient) -> None:
    body = {"identifiers": ASKED[:1], "fields": ["traits"]}
    [bob] = (await client.post(PATH, json=body)).json()["items"]
    assert set(bob["profile"]) == {"id", "version", "traits", "omitted"}
    [bare] = (await client.post(PATH, json={**body, "fields": []})).json()["items"]
    assert set(bare["profile"]) == {"id", "version", "omitted"}


async def test_a_thousand_take_one_query(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    await feed(engine, [event(f"n{n}", user_id=f"u{n}") for n in range(1_000)])
    asked = [IDS.of("w", ("user_id", f"u{n}")) for n in range(1_000)]
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    sql_events.listen(engine.sync_engine, "before_cursor_execute", note)
    async with engine.begin() as tx:
        found = await look_up(tx, "w", asked)
    assert len(statements) == 1
    assert len(found.people) == len(found.owners) == 1_000
    body = {"identifiers": named(*(("user_id", f"u{n}") for n in range(1_000))), "fields": []}
    answer = await client.post(PATH, json=body)
    assert all(one["profile"] for one in answer.json()["items"])


async def test_people_who_are_too_large_together_are_refused(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    assert client
    async with engine.begin() as tx:
        asked = [IDS.of("w", ("user_id", one)) for one in "AB"]
        with pytest.raises(InvalidRequestError) as refused:
            await look_up(tx, "w", asked, most=10)
        assert (refused.value.code, refused.value.details) == ("too_much", {"fits": 1})


async def test_who_was_stored_before_there_were_summaries_is_found(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    async with engine.begin() as tx:
        await tx.execute(text("UPDATE profile.profile SET summary = NULL, members = 0"))
    [bob] = (await client.post(PATH, json={"identifiers": ASKED[:1]})).json()["items"]
    assert bob["profile"]["identifiers"] == [{"kind": "user_id", "value": "B"}]


async def test_a_workspace_looks_up_its_own_people_only(client: httpx.AsyncClient) -> None:
    other = await client.post(PATH, json={"identifiers": ASKED}, headers=bearer("v", "*"))
    assert [one["profile"] for one in other.json()["items"]] == [None] * 4
    weak = await client.post(PATH, json={"identifiers": ASKED}, headers=bearer("w", "ops"))
    assert weak.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"identifiers": []},
        {"identifiers": named(("user_id", "u")) * 1_001},
        {"identifiers": [{"kind": "user_id"}]},
        {"identifiers": named(("user_id", "\0"))},
        {"identifiers": named(("No Kind", "x"))},
        {"identifiers": named(("user_id", "u")), "fields": ["everything"]},
    ],
)
async def test_nonsense_is_refused_with_a_reason(
    client: httpx.AsyncClient, body: dict[str, object]
) -> None:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 422
    assert set(answer.json()) == {"code", "message", "details"}
