"""Lists, and records that come at the same time: nobody is missed, whoever is first."""

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.building import build
from services.segment.tests.test_lists import Lists, ids
from services.segment.tests.test_passing import Shop
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.emptying import wiped
from tests.support.locks import somebody_waits

from rapport_common.auth import Operator
from rapport_common.testing.credentials import EVENT_KEY
from rapport_common.testing.examples import examples
from rapport_segment.handlers import lists as handlers
from rapport_segment.handlers import segments
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.lists import OnLists
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.handlers.uploading import Uploading
from rapport_segment.store import definitions
from rapport_segment.store.jobs import JOBS

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

PEOPLE = [uuid.UUID(int=number) for number in (1, 2, 3)]
ADA = PEOPLE[0]
ADDRESSES = ("a@x.org", "b@x.org", "c@x.org")
OPERATOR = Operator("ada", "acme", frozenset({"*"}))
STEPS = st.lists(
    st.tuples(st.sampled_from(("put", "take")), st.sampled_from(ADDRESSES))
    | st.tuples(st.sampled_from(PEOPLE), st.sets(st.sampled_from(ADDRESSES), max_size=2)),
    min_size=2,
    max_size=9,
)


async def test_an_address_that_comes_while_it_is_put_on_the_list(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient
) -> None:
    one = await made(engine, records, client)
    await one.shop.tell(records.state(ADA))
    batch = [records.record(records.state(ADA, emails=("ada@x.org",)))]
    async with engine.begin() as tx:
        # She is judged by the list as it is, and nothing of it can be seen yet.
        await Judging().on_activity(batch, tx)
        adding = asyncio.create_task(one.post("/members/add", ids("ada@x.org")))
        await somebody_waits(engine)
    await adding
    assert await one.inside() == [str(ADA)]


async def test_an_address_that_comes_behind_the_last_piece_of_a_file(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient
) -> None:
    one = await made(engine, records, client)
    await one.shop.tell(records.state(ADA))
    answer = await client.post(f"{one.path}/uploads", content=b"email\nada@x.org\n")
    assert answer.status_code == 202
    async with engine.begin() as tx:
        job = await JOBS.claim(tx, "test")
    assert job is not None
    steps = Uploading(engine, EVENT_KEY).work(job)
    await anext(steps)
    batch = [records.record(records.state(ADA, emails=("ada@x.org",)))]
    async with engine.begin() as tx:
        await Judging().on_activity(batch, tx)
        await anext(steps)
        ending = asyncio.create_task(anext(steps, None))
        await somebody_waits(engine)
    assert await ending is None
    await build(engine, now=one.shop.clock)
    assert await one.inside() == [str(ADA)]


async def made(engine: AsyncEngine, records: "Records", client: httpx.AsyncClient) -> Lists:
    """A list, and a segment of those who are on it."""
    found = (await client.post("/v1/lists", json={"name": "VIP"})).json()
    shop = Shop(engine, records)
    asked = {"name": "On VIP", "rule": {"list": found["id"]}}
    segment = (await client.post("/v1/segments", json=asked)).json()
    await build(engine, now=shop.clock)
    return Lists(client, shop, found["id"], segment["id"])


@settings(max_examples=examples(12))
@given(steps=STEPS)
async def test_both_evaluators_agree_after_whatever_comes(
    module_engine: AsyncEngine, steps: list[tuple[Any, Any]]
) -> None:
    from services.segment.tests.conftest import Records  # noqa: PLC0415 - one for each example

    from rapport_segment.tables import METADATA  # noqa: PLC0415

    records = Records()
    await wiped(module_engine, map(str, METADATA.sorted_tables))
    async with module_engine.begin() as tx:
        found = await handlers.create(tx, "acme", "VIP")
        list_id = found.kept.list_id
        rules: tuple[dict[str, Any], ...] = (
            {"list": str(list_id)},
            {"not": {"list": str(list_id)}},
        )
        for number, rule in enumerate(rules):
            await segments.create(tx, OPERATOR, f"{number}", rule)
    shop, on_lists = Shop(module_engine, records), OnLists(EVENT_KEY)
    await build(module_engine, now=shop.clock)
    for what, who in steps:
        if isinstance(what, uuid.UUID):
            await shop.tell(records.state(what, emails=tuple(sorted(who))))
        else:
            async with module_engine.begin() as tx:
                do = on_lists.put if what == "put" else on_lists.take
                await do(tx, "acme", list_id, [("email", who)])
    async with module_engine.begin() as tx:
        for one in await definitions.active(tx, ["acme"]):
            args = (tx, "acme", one.segment_id, rule_of(one))
            assert await definitions.misplaced(*args, now=shop.clock.now) == []
