"""Webhooks of any service: who hears of what, in which order, and what is kept of it."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libs.common.tests.hearing import HEARING, SCHEMA, TERMS, House, Wants, housed, noise
from pydantic import BaseModel
from sqlalchemy import text
from tests.support.receiving import receiving

from rapport_common import clock
from rapport_common.db import create_engine
from rapport_common.outside import webhooks as rules
from rapport_common.outside.delivering import LEASE
from rapport_common.outside.webhooks import Answer
from rapport_common.testing.examples import examples
from rapport_common.webhooks import bodies
from rapport_common.webhooks.keeping import forgotten_posts, kept_posts
from rapport_common.webhooks.records import Post, Webhook
from rapport_common.webhooks.store import WebhookStore
from rapport_common.webhooks.terms import Terms
from rapport_common.webhooks.worker import TURNED_OFF, WANTS_NOTHING, Settling

pytestmark = pytest.mark.integration


@pytest.fixture(params=[True, False], ids=["keeps", "removes"])
async def house(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with housed(database_url, keeps_delivered=request.param) as made:
        yield made


@pytest.fixture
async def keeping(database_url: str) -> AsyncIterator[House]:
    async with housed(database_url, keeps_delivered=True) as made:
        yield made


async def test_each_hears_what_it_wants_in_the_order_of_a_subject(house: House) -> None:
    async with receiving() as every, receiving() as some, receiving() as strangers:
        path = await house.webhook(every)
        await house.webhook(some, topics=["meow", "meow"], volume="loud")
        async with house.client("globex") as stranger:
            made = await stranger.post("/v1/webhooks", json={"url": strangers.url})
            assert made.status_code == 201
            assert (await stranger.get(path)).status_code == 404
        await house.tell(
            noise("tom", 1, "meow"),
            noise("rex", 1),
            noise("tom", 2, "meow", volume="low"),
            noise("tom", 3, '"odd\\', workspace="nobody"),
            noise("tom", 3, "meow"),
        )
        await house.tell()
        await house.post()
        assert [one.data["n"] for one in every.came if one.data["source_id"] == "tom"] == [1, 2, 3]
        assert len(every.came) == 4
        assert [one.data["n"] for one in some.came] == [1, 3]
        assert strangers.came == []
        kept = (await house.ask(f"{path}/deliveries"))["items"]
        keeps = house.store.posts._keeps_delivered
        assert [one["state"] for one in kept] == ["delivered"] * (4 if keeps else 0)
        shown = await house.ask(path)
        assert (shown["waiting"], shown["dead"], shown["failing_since_at"]) == (0, 0, None)
        assert shown["succeeded_at"] is not None


async def test_who_takes_nothing_for_days_is_turned_off_and_told_again(house: House) -> None:
    status = [422]
    async with receiving(answer=lambda _came: status[0]) as to:
        path = await house.webhook(to)
        await house.tell(noise("rex", 1), noise("tom", 1))
        await house.post()
        shown = await house.ask(path)
        assert (shown["active"], shown["failures"]) == (True, 0), "it is there"
        assert shown["failing_since_at"] is not None
        house.late = rules.OLDEST + timedelta(minutes=1)
        await house.post()
        assert await house.sender.bury() == (0, 2)
        shown = await house.ask(path)
        assert (shown["active"], shown["reason"]) == (False, TURNED_OFF)
        assert house.gauges.off._value.get() == 1
        for one in (await house.ask(f"{path}/deliveries", state="dead"))["items"]:
            assert one["died_at"] == one["ended_at"] is not None
        # Who is looked after begins anew.
        status[0] = 200
        async with house.client() as caller:
            on = (await caller.patch(path, json={"active": True})).json()
            assert (on["reason"], on["failing_since_at"]) == (None, None)
            assert await house.ask(path) == on
            assert (await caller.post(f"{path}/replay")).json() == {"replayed": 2}
        await house.post()
        assert {one.id for one in to.came[-2:]} == {one.id for one in to.came[:2]}
        assert await house.sender.bury() == (0, 0)


async def test_410_is_the_end_and_one_post_is_posted_again(keeping: House) -> None:
    house, status = keeping, [200]
    async with receiving(answer=lambda _came: status[0]) as to:
        path = await house.webhook(to)
        await house.tell(noise("rex", 1))
        await house.post()
        [post] = (await house.ask(f"{path}/deliveries", state="delivered"))["items"]
        assert (post["source_id"], post["status"], post["attempts"]) == ("rex", 200, 1)
        assert (post["next_try_at"], post["died_at"]) == (None, None)
        status[0] = 410
        async with house.client() as caller:
            again = await caller.post(f"{path}/deliveries/{post['id']}/replay")
            assert again.json() == {"replayed": 1}
            waits = await caller.post(f"{path}/deliveries/{post['id']}/replay")
            assert waits.status_code == 404, "it waits"
            for wrong in ("msg_x", f"msg_{'0' * 32}"):
                gone = await caller.post(f"{path}/deliveries/{wrong}/replay")
                assert gone.status_code == 404
        await house.post()
        assert [one.id for one in to.came] == [post["id"]] * 2
        shown = await house.ask(path)
        assert (shown["active"], shown["reason"]) == (False, WANTS_NOTHING)


async def test_lists_are_in_pages_the_newest_first(keeping: House) -> None:
    house = keeping
    async with receiving() as to:
        path = await house.webhook(to)
        for n in range(5):
            await house.tell(noise("rex", n))
        found, query = [], {"limit": "2"}
        while page := await house.ask(f"{path}/deliveries", **query):
            found += [one["body"]["data"]["n"] for one in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert found == [4, 3, 2, 1, 0]
        assert (await house.ask(f"{path}/deliveries", state="dead"))["items"] == []


async def test_what_is_wanted_is_kept_checked_and_changed_by_field(keeping: House) -> None:
    async with keeping.client() as caller:
        made = await caller.post(
            "/v1/webhooks", json={"url": "https://x.org/a", "topics": ["b", "a", "b"]}
        )
        shown = made.json()
        assert (shown["topics"], shown["volume"]) == (["b", "a"], "any")
        path = f"/v1/webhooks/{shown['id']}"
        loud = (await caller.patch(path, json={"volume": "loud"})).json()
        assert (loud["topics"], loud["volume"], loud["url"]) == (["b", "a"], "loud", shown["url"])
        every = (await caller.patch(path, json={"topics": None, "active": False})).json()
        assert (every["topics"], every["active"]) == (None, False)
        assert (await caller.get(path)).json() == every
        wrong: list[dict[str, Any]]
        wrong = [{"topics": []}, {"volume": "low"}, {"topic": "x"}, {"active": None}]
        for body in wrong:
            assert (await caller.patch(path, json=body)).status_code == 422, body
        assert (await caller.patch(path, json={"topics": ["silence"]})).status_code == 404
        assert (await caller.get(path)).json() == every
        refused = {"url": "https://x.org/b", "topics": ["silence"]}
        assert (await caller.post("/v1/webhooks", json=refused)).status_code == 404
        again = await caller.post("/v1/webhooks", json={"url": "https://x.org/a"})
        assert (again.status_code, again.json()["details"]["id"]) == (409, shown["id"])
    async with keeping.client(scope="segments:read") as reader:
        assert (await reader.get("/v1/webhooks")).json()["items"][0]["id"] == shown["id"]
        assert (await reader.delete(path)).status_code == 403


async def test_a_field_of_what_is_wanted_has_a_default(keeping: House) -> None:
    class Strict(BaseModel):
        topics: list[str]

    with pytest.raises(TypeError, match="topics"):
        bodies.forms(Terms(Strict, "source_id", "what", {}))
    document = keeping.app.openapi()["components"]["schemas"]
    assert document["NewWebhook"]["example"] == TERMS.example
    assert document["NewWebhook"]["required"] == ["url"]
    assert {"topics", "volume", "secret"} <= set(document["WebhookWithSecret"]["required"])
    assert document["ShownDelivery"]["properties"]["source_id"]["description"] == TERMS.about


async def test_posts_go_with_their_age_their_webhook_and_their_person(keeping: House) -> None:
    house = keeping
    clear = kept_posts(house.store, timedelta(days=1)).delete
    assert clear is not None
    async with receiving() as to, receiving() as other:
        path = await house.webhook(to)
        await house.webhook(other)
        await house.tell(noise("rex", 1), noise("tom", 1))
        forgotten = forgotten_posts(SCHEMA)
        async with house.engine.begin() as tx:
            given = {"workspace": "acme", "profiles": ["of tom"], "limit": 10}
            assert await tx.scalar(text(forgotten.counting or ""), given) == 2
            assert (await tx.execute(text(forgotten.statement), given)).rowcount == 2
        await house.post()
        assert [one.data["source_id"] for one in to.came] == ["rex"]
        async with house.engine.begin() as tx:
            assert await clear(tx, timedelta(days=1), 10) == 0
            await tx.execute(text("UPDATE segment.webhook_post SET ended_at = '2026-01-01'"))
            assert await clear(tx, timedelta(days=1), 1) == 1
        await house.tell(noise("rex", 2))
        async with house.client() as caller:
            assert (await caller.delete(path)).status_code == 204
        await house.tell(noise("rex", 3))
        async with house.engine.begin() as tx:
            await clear(tx, timedelta(days=1), 10)
            left = await tx.scalar(text("SELECT count(*) FROM segment.webhook_post"))
            secrets = await tx.scalar(
                text("SELECT max(secret) FROM segment.webhook WHERE archived_at IS NOT NULL")
            )
        assert (left, secrets) == (2, "")


async def test_a_claim_reads_what_is_due_and_nothing_else(keeping: House) -> None:
    """Of 20,000 posts that were taken, 20,000 that wait for later, and 5 that are due."""
    house = keeping
    async with receiving() as to:
        await house.webhook(to)
        async with house.engine.begin() as tx:
            [one] = await house.store.listed(tx, "acme", limit=1)
            await tx.execute(
                text(
                    "INSERT INTO segment.webhook_post (workspace, post_id, webhook_id, subject, "
                    "profile_id, body, try_at, ended_at) SELECT 'acme', gen_random_uuid(), :id, "
                    "'s' || n % 10000, '', '{}', now() + (n - 5) * interval '1 minute', "
                    "CASE WHEN n > 20000 THEN now() END FROM generate_series(1, 40000) n"
                ),
                {"id": one.webhook_id},
            )
            await tx.execute(text("ANALYZE segment.webhook_post"))
            given = {
                "workspace": "acme",
                "webhook": one.webhook_id,
                "now": clock.now(),
                "until": clock.now() + LEASE,
                "holder": uuid.uuid4(),
                "limit": 8,
            }
            assert len(await house.store.posts.lanes(tx, clock.now())) == 1
            explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {house.store.posts.claiming}"
            [found] = (await tx.execute(text(explained), given)).scalar_one()
    assert rows_read(found["Plan"]) <= 5 * 5


def rows_read(plan: dict[str, Any]) -> float:
    """How many rows of posts a plan has read, those that it threw away included."""
    read = sum(map(rows_read, plan.get("Plans", ())))
    if plan.get("Relation Name") == "webhook_post" and "Scan" in plan["Node Type"]:
        thrown = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
        read += (plan["Actual Rows"] + thrown) * plan["Actual Loops"]
    return float(read)


# --- whatever a receiver answers, and whoever dies with posts

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.lists(st.sampled_from("abc"), min_size=1, max_size=4)),
        st.tuples(st.just("post"), st.lists(st.sampled_from([204, 422, 503, None]), max_size=4)),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 60.0, 4000.0])),
        st.tuples(st.just("replay"), st.none()),
    ),
    max_size=24,
)


@settings(max_examples=examples(60))
@given(steps=STEPS, keeps=st.booleans())
def test_a_subject_is_told_in_its_order_each_at_least_once(
    *, steps: list[tuple[str, Any]], keeps: bool, keeping: House, database_url: str
) -> None:
    assert keeping  # the tables are there
    # A loop of its own needs a thread of its own.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _played(steps, database_url, keeps=keeps)).result()


async def _played(steps: list[tuple[str, Any]], database_url: str, *, keeps: bool) -> None:
    engine = create_engine(database_url, application="property", pool=1)
    play = _Play(WebhookStore(SCHEMA, HEARING, keeps_delivered=keeps))
    try:
        async with engine.begin() as tx:
            await tx.execute(text("DELETE FROM segment.webhook_post"))
            await tx.execute(text("DELETE FROM segment.webhook"))
            await play.store.insert(tx, play.to)
        for name, what in [*steps, ("wait", 4000.0), ("post", [204] * 200)]:
            async with engine.begin() as tx:
                await getattr(play, name)(tx, what)
    finally:
        await engine.dispose()
    play.check()


class _Play:
    """One receiver that takes or refuses, by a clock of its own."""

    def __init__(self, store: WebhookStore) -> None:
        self.store, self.settling, self.now = store, Settling(store), clock.now()
        self.told: defaultdict[str, int] = defaultdict(int)
        self.taken: defaultdict[str, list[int]] = defaultdict(list)
        self.to = Webhook(
            workspace="acme",
            webhook_id=uuid.uuid4(),
            url="https://x.org/",
            wants=Wants().model_dump(),
            active=True,
            reason=None,
            secret="",
            former_secret=None,
            former_until=None,
            failures=0,
            failing_since=None,
            paused_until=None,
            succeeded_at=None,
            failed_at=None,
            created_at=self.now,
            created_by="ada",
        )

    async def tell(self, tx: Any, subjects: list[str]) -> None:
        made = []
        for one in subjects:
            self.told[one] += 1
            made.append(noise(one, self.told[one]))
        await self.store.posts.insert(tx, made)

    async def wait(self, _tx: Any, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def replay(self, tx: Any, _none: None) -> None:
        where = ("acme", self.to.webhook_id, self.now)
        await self.store.posts.replay(tx, *where, post_id=None, limit=10)

    async def post(self, tx: Any, answers: list[int | None]) -> None:
        """One post after the other; who answers nothing has died with it."""
        for status in answers:
            # As those behind it in time: what was told now is due now.
            self.now = max(self.now, clock.now())
            holder = uuid.uuid4()
            claim = self.store.posts.claim
            found = await claim(tx, self.to, holder, now=self.now, lease=LEASE, limit=1)
            for one in found:
                if status is not None:
                    await self._settled(tx, one, holder, status)

    async def _settled(self, tx: Any, one: Post, holder: uuid.UUID, status: int) -> None:
        await self.settling.settle(
            tx, self.to, one, holder, Answer(status), now=self.now, chance=0.5
        )
        if status == 204:
            self.taken[one.subject].append(int(one.body.rpartition(": ")[2].rstrip("}")))

    def check(self) -> None:
        for subject, number in self.told.items():
            assert self.taken[subject] == list(range(1, number + 1))
