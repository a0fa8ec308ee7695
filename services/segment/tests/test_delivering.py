"""Posts to webhooks on their way, to a real receiver: each at least once, in a person's order, and
nobody waits for somebody else's receiver.
"""

import asyncio
import base64
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.receiving import Receiver, receiving
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common import clock
from rapport_common.events.activity import ProfileActivity
from rapport_common.outside import webhooks as rules
from rapport_common.outside.addresses import networks
from rapport_common.outside.delivering import LEASE
from rapport_common.outside.posting import Poster
from rapport_common.outside.room import EACH, OF_A_WORKSPACE
from rapport_common.outside.sealing import Sealer
from rapport_common.outside.signed_posts import SECRET, signed
from rapport_common.testing.credentials import WEBHOOK_KEY
from rapport_segment.domain.secret_keys import SecretKeys, place_of
from rapport_segment.handlers.activity import Judging
from rapport_segment.sender import Sender
from rapport_segment.store.webhooks import WEBHOOKS

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

BUYERS = {"computed": "orders", "op": "gte", "value": 1}
PEOPLE = [uuid.UUID(int=number) for number in range(1, 31)]
OWN = networks("127.0.0.0/8")
SEALER = Sealer(SecretKeys((WEBHOOK_KEY,)), place_of)
NEXT_KEY = b"n" * 32


class Shop:
    """A shop with a segment of buyers; who buys enters, who gives all back leaves."""

    def __init__(self, engine: AsyncEngine, records: "Records", client: httpx.AsyncClient) -> None:
        self.engine, self.client = engine, client
        self.late = timedelta(0)
        self._records, self._judging = records, Judging()
        self.poster = Poster(OWN, seconds=HANG_SECONDS)
        self.sender = Sender(engine, self.poster, SEALER, self.now)

    def now(self) -> datetime:
        return clock.now() + self.late

    async def has(self, orders: int, *people: uuid.UUID) -> None:
        await self.tell(*(self._records.state(who, orders=orders) for who in people))

    async def tell(self, *told: ProfileActivity) -> None:
        async with self.engine.begin() as tx:
            await self._judging.on_activity([self._records.record(one) for one in told], tx)

    async def webhook(self, to: Receiver, **told: Any) -> dict[str, Any]:
        answer = await self.client.post("/v1/webhooks", json={"url": to.url, **told})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def post(self, turns: int = 20) -> None:
        """Post all that is due, and what is due by that."""
        for _ in range(turns):
            if not await self.sender.turn():
                break
            await self.sender.drain()

    async def shown(self, made: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/webhooks/{made['id']}")).json()
        return found

    async def close(self) -> None:
        await self.sender.drain()
        await self.poster.close()


@pytest.fixture
async def shop(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient
) -> AsyncIterator[Shop]:
    made = Shop(engine, records, client)
    answer = await client.post("/v1/segments", json={"name": "buyers", "rule": BUYERS})
    assert answer.status_code == 202
    yield made
    await made.close()


async def test_entries_and_exits_are_posted_signed(shop: Shop) -> None:
    async with receiving() as to:
        made = await shop.webhook(to)
        await shop.has(1, *PEOPLE[:2])
        await shop.has(0, PEOPLE[0])
        await shop.post()
        assert [one.data["change"] for one in to.came if one.data["profile_id"] == str(PEOPLE[0])]
        told = {(one.data["profile_id"], one.data["change"]) for one in to.came}
        assert told == {
            (str(PEOPLE[0]), "entered"),
            (str(PEOPLE[1]), "entered"),
            (str(PEOPLE[0]), "exited"),
        }
        for one in to.came:
            at = datetime.fromtimestamp(
                int(one.headers["webhook-timestamp"]), tz=clock.now().tzinfo
            )
            expected = signed(one.id, at, one.body, [made["secret"]])
            assert one.headers["webhook-signature"] == dict(expected)["webhook-signature"]
        shown = await shop.shown(made)
        assert (shown["waiting"], shown["dead"], shown["failures"]) == (0, 0, 0)
        assert "secret" not in shown


async def test_a_receiver_is_told_of_its_own_segments_and_workspace_only(
    shop: Shop, client_of: Callable[..., httpx.AsyncClient]
) -> None:
    other = (await shop.client.post("/v1/segments", json={"name": "x", "rule": BUYERS})).json()
    async with receiving() as some, receiving() as strangers, receiving() as idle:
        made = await shop.webhook(some, segment_ids=[other["id"]])
        asleep = await shop.webhook(idle)
        path = f"/v1/webhooks/{asleep['id']}"
        assert (await shop.client.patch(path, json={"active": False})).status_code == 200
        async with client_of("globex") as stranger:
            await stranger.post("/v1/webhooks", json={"url": strangers.url})
            assert (await stranger.get(f"/v1/webhooks/{made['id']}")).status_code == 404
            assert (await stranger.delete(f"/v1/webhooks/{made['id']}")).status_code == 404
        await shop.has(1, PEOPLE[0])
        await shop.post()
        assert [one.data["segment_id"] for one in some.came] == [other["id"]]
        assert strangers.came == idle.came == []


async def test_a_post_that_fails_is_tried_again_under_its_id_before_the_next_of_its_person(
    shop: Shop,
) -> None:
    broken = [True]
    async with receiving(answer=lambda _came: 500 if broken[0] else 200) as to:
        await shop.webhook(to)
        for orders in (1, 0, 1):
            await shop.has(orders, PEOPLE[0])
        await shop.has(1, PEOPLE[1])
        await shop.post()
        # Each person's first only: what comes behind waits for it.
        assert sorted(one.data["profile_id"] for one in to.came) == list(map(str, PEOPLE[:2]))
        first = {one.data["profile_id"]: one.id for one in to.came}
        broken[0] = False
        await shop.post()
        assert len(to.came) == 2, "not before it is time"
        shop.late = rules.WAITS[0] * 1.2
        await shop.post()
        again = [one for one in to.came[2:] if one.data["profile_id"] == str(PEOPLE[0])]
        assert [one.data["change"] for one in again] == ["entered", "exited", "entered"]
        assert again[0].id == first[str(PEOPLE[0])]
        assert len({one.id for one in to.came}) == 4


async def test_who_refuses_for_days_is_shown_and_can_be_told_again(shop: Shop) -> None:
    statuses = [400]
    async with receiving(answer=lambda _came: statuses[0]) as to:
        made = await shop.webhook(to)
        await shop.has(1, PEOPLE[0])
        await shop.post()
        for wait in rules.WAITS:
            shop.late += wait * 1.2
            await shop.post()
        assert len(to.came) == len(rules.WAITS) + 1
        assert len({one.id for one in to.came}) == 1
        assert (await shop.shown(made))["dead"] == 1
        listed = (await shop.client.get(f"/v1/webhooks/{made['id']}/deliveries")).json()
        [dead] = listed["items"]
        assert (dead["id"], dead["status"]) == (to.came[0].id, 400)
        assert dead["error"] == "it answered 400"
        assert (dead["profile_id"], dead["state"]) == (str(PEOPLE[0]), "dead")
        # What comes later is not held up by what is dead.
        statuses[0] = 200
        await shop.has(0, PEOPLE[0])
        unasked = await shop.client.get(f"/v1/webhooks/{made['id']}/deliveries")
        assert unasked.json()["items"] == [dead], "who asks for no state is told of dead ones"
        await shop.post()
        assert to.came[-1].data["change"] == "exited"
        replayed = await shop.client.post(f"/v1/webhooks/{made['id']}/replay")
        assert replayed.json() == {"replayed": 1}
        await shop.post()
        assert to.came[-1].id == to.came[0].id
        shown = await shop.shown(made)
        assert (shown["waiting"], shown["dead"]) == (0, 0)


async def test_a_slow_receiver_holds_up_nobody_else(shop: Shop) -> None:
    async with receiving() as slow, receiving() as quick:
        slow.open.clear()
        await shop.webhook(slow)
        await shop.webhook(quick)
        await shop.has(1, *PEOPLE)

        async def told() -> bool:
            await shop.sender.turn()
            return len(quick.came) == len(PEOPLE)

        await eventually("posts to the quick one", told)
        assert slow.most == EACH, "and it is not asked by more than that at a time"
        slow.open.set()
        await shop.sender.drain()
        await shop.post()
        assert len(slow.came) == len(PEOPLE)


async def test_slow_receivers_of_a_workspace_hold_up_those_of_no_other(
    shop: Shop, client_of: Callable[..., httpx.AsyncClient], records: "Records"
) -> None:
    async with AsyncExitStack() as all_:
        slow = [await all_.enter_async_context(receiving()) for _ in range(8)]
        quick = await all_.enter_async_context(receiving())
        other = await all_.enter_async_context(client_of("globex"))
        for one in slow:
            one.open.clear()
            await shop.webhook(one)
        await other.post("/v1/segments", json={"name": "buyers", "rule": BUYERS})
        await other.post("/v1/webhooks", json={"url": quick.url})
        await shop.has(1, *PEOPLE)

        async def full() -> bool:
            await shop.sender.turn()
            return sum(one.under_way for one in slow) == OF_A_WORKSPACE

        await eventually("as many as a workspace may have", full)
        assert await shop.sender.turn() == 0
        assert {one.under_way for one in slow} == {OF_A_WORKSPACE // len(slow)}, "each as many"
        theirs = [records.state(who, workspace="globex", orders=1) for who in PEOPLE]
        await shop.tell(*theirs)

        async def told() -> bool:
            await shop.sender.turn()
            return len(quick.came) == len(PEOPLE)

        await eventually("posts of the other workspace", told)
        assert sum(one.under_way for one in slow) == OF_A_WORKSPACE
        for one in slow:
            one.open.set()
        await shop.sender.drain()
        await shop.post(100)
        assert {len(one.came) for one in slow} == {len(PEOPLE)}


async def test_who_is_away_is_asked_by_one_post_at_a_time(shop: Shop) -> None:
    is_away = [True]
    async with receiving(answer=lambda _came: None if is_away[0] else 200) as to:
        made = await shop.webhook(to)
        await shop.has(1, *PEOPLE)
        await shop.post(1)
        assert len(to.came) == EACH
        before = (await shop.shown(made))["failures"]
        assert before == EACH
        await shop.post()
        assert len(to.came) == EACH, "it is left alone"
        shop.late += rules.MOST_PAUSE * 1.2
        await shop.post()
        assert len(to.came) == EACH + 1, "one asks whether it is back"
        is_away[0] = False
        shop.late += rules.MOST_PAUSE * 1.2
        await shop.post(100)
        assert {one.data["profile_id"] for one in to.came} == set(map(str, PEOPLE))
        shown = await shop.shown(made)
        assert (shown["waiting"], shown["dead"], shown["failures"]) == (0, 0, 0)


async def test_who_is_gone_or_asks_for_patience_is_heeded(shop: Shop) -> None:
    async with receiving(answer=lambda _came: 410) as gone:
        busy_answer = [429]
        async with receiving(answer=lambda _came: busy_answer[0], more="Retry-After: 60\r\n") as to:
            made, busy = await shop.webhook(gone), await shop.webhook(to)
            await shop.has(1, PEOPLE[0])
            await shop.post()
            shown = await shop.shown(made)
            assert (shown["active"], shown["reason"]) == (
                False,
                "it answered 410: it wants nothing any more",
            )
            busy_answer[0] = 200
            shop.late = timedelta(seconds=50)
            await shop.post()
            assert (len(gone.came), len(to.came)) == (1, 1)
            shop.late = timedelta(seconds=70)
            await shop.post()
            assert (len(gone.came), len(to.came)) == (1, 2)
            assert (await shop.shown(busy))["waiting"] == 0


async def test_a_redirection_is_not_followed_nor_a_private_address_asked(
    shop: Shop, engine: AsyncEngine
) -> None:
    async with receiving() as secret:
        more = f"Location: {secret.url}\r\n"
        async with receiving(answer=lambda _came: 302, more=more) as to:
            await shop.webhook(to)
            await shop.has(1, PEOPLE[0])
            await shop.post()
            assert (len(to.came), len(secret.came)) == (1, 0)
        # By a name that leads here: looked up when it is posted, whatever was said before.
        port = secret.url.rpartition(":")[2]
        answer = await Poster().post(f"http://localhost:{port}", [], b"{}")
        assert answer.error == "its name leads to a private network, or nowhere"
        assert secret.came == []


async def test_what_is_too_old_is_dead_though_it_was_not_tried(
    shop: Shop, engine: AsyncEngine
) -> None:
    async with receiving() as to:
        made = await shop.webhook(to)
        await shop.has(1, PEOPLE[0])
        shop.late = rules.OLDEST + timedelta(hours=1)
        assert await shop.sender.bury() == (0, 1)
        await shop.post()
        assert to.came == []
        assert (await shop.shown(made))["dead"] == 1
        async with engine.begin() as tx:
            assert await WEBHOOKS.posts.clear(tx, timedelta(days=1), 10) == 0
            await tx.execute(text("UPDATE segment.webhook_post SET ended_at = '2026-01-01'"))
            assert await WEBHOOKS.posts.clear(tx, timedelta(days=1), 10) == 1


async def kept(engine: AsyncEngine) -> str:
    """All that the tables of webhooks hold, as a dump of them has it."""
    async with engine.begin() as tx:
        found = [
            await tx.execute(text(f"SELECT CAST(t AS text) FROM segment.{table} t"))
            for table in ("webhook", "webhook_post")
        ]
        return "\n".join(row for some in found for row in some.scalars())


async def test_a_dump_has_no_secret_and_they_are_sealed_anew_by_a_new_key(
    shop: Shop, engine: AsyncEngine
) -> None:
    async with receiving() as to:
        made = await shop.webhook(to)
        path = f"/v1/webhooks/{made['id']}/rotate"
        new = (await shop.client.post(path, json={"overlap_hours": 1})).json()["secret"]
        dump = await kept(engine)
        for secret in (made["secret"], new):
            assert secret.removeprefix(SECRET) not in dump
            assert base64.b64decode(secret.removeprefix(SECRET)).hex() not in dump
        assert SECRET not in dump
        assert await shop.sender.seal_anew() == 0
        # The next key: with the one before, all is sealed anew; then that one can go.
        both, later = SecretKeys((NEXT_KEY, WEBHOOK_KEY)), SecretKeys((NEXT_KEY,))
        assert await Sender(engine, shop.poster, Sealer(both, place_of), shop.now).seal_anew() == 1
        assert (await kept(engine)).count(both.prefix) == 2
        shop.sender = Sender(engine, shop.poster, Sealer(later, place_of), shop.now)
        await shop.has(1, PEOPLE[0])
        await shop.post()
        [came] = to.came
        at = datetime.fromtimestamp(int(came.headers["webhook-timestamp"]), tz=clock.now().tzinfo)
        expected = dict(signed(came.id, at, came.body, [new, made["secret"]]))
        assert came.headers["webhook-signature"] == expected["webhook-signature"]
        # A secret that counts no more is not kept.
        shop.late = timedelta(hours=2)
        assert await shop.sender.seal_anew() == 1
        assert (await kept(engine)).count(later.prefix) == 1


async def test_a_secret_of_before_is_sealed_and_one_without_its_key_holds_back_posts(
    shop: Shop, engine: AsyncEngine
) -> None:
    async with receiving() as to:
        made = await shop.webhook(to)
        plain = text("UPDATE segment.webhook SET secret = :secret")
        async with engine.begin() as tx:
            await tx.execute(plain, {"secret": made["secret"]})
        await shop.has(1, PEOPLE[0])
        await shop.post()
        assert len(to.came) == 1
        assert await shop.sender.seal_anew() == 1
        assert SECRET not in await kept(engine)
        # The key is lost: nothing is posted that nobody could check, and the operator is told.
        shop.sender = Sender(
            engine, shop.poster, Sealer(SecretKeys((NEXT_KEY,)), place_of), shop.now
        )
        assert await shop.sender.seal_anew() == 0
        await shop.has(0, PEOPLE[0])
        await shop.post()
        assert len(to.came) == 1
        path = f"/v1/webhooks/{made['id']}"
        [waits] = (await shop.client.get(f"{path}/deliveries?state=waiting")).json()["items"]
        assert "sealed by a key that is not there any more" in waits["error"]
        # By the API's key it is rotated, and found by the sender that has that.
        shop.sender = Sender(engine, shop.poster, SEALER, shop.now)
        await shop.client.post(f"{path}/rotate", json={"overlap_hours": 0})
        shop.late = timedelta(minutes=10)
        await shop.post()
        assert [one.data["change"] for one in to.came] == ["entered", "exited"]


async def test_secrets_are_rotated_with_two_signatures(shop: Shop) -> None:
    async with receiving() as to:
        made = await shop.webhook(to)
        path = f"/v1/webhooks/{made['id']}/rotate"
        new = (await shop.client.post(path, json={"overlap_hours": 1})).json()["secret"]
        # Who asks again has had no answer: the receiver has the first secret still.
        again = await shop.client.post(path, json={"overlap_hours": 1})
        assert (again.status_code, again.json()["code"]) == (409, "rotated_already")
        await shop.has(1, PEOPLE[0])
        await shop.post()
        shop.late = timedelta(hours=2)
        await shop.has(0, PEOPLE[0])
        await shop.post()
        both, one = to.came
        at = datetime.fromtimestamp(int(both.headers["webhook-timestamp"]), tz=clock.now().tzinfo)
        expected = dict(signed(both.id, at, both.body, [new, made["secret"]]))
        assert both.headers["webhook-signature"] == expected["webhook-signature"]
        assert len(one.headers["webhook-signature"].split()) == 1


async def test_bad_webhooks_are_refused(shop: Shop) -> None:
    for body in (
        {},
        {"url": "http://shop.example.com/"},
        {"url": "https://10.0.0.1/"},
        {"url": "https://x.org/\0"},
        {"url": "https://x.org", "segment_ids": []},
    ):
        answer = await shop.client.post("/v1/webhooks", json=body)
        assert answer.status_code == 422, body
    unknown = {"url": "https://x.org", "segment_ids": [str(uuid.uuid4())]}
    assert (await shop.client.post("/v1/webhooks", json=unknown)).status_code == 404
    made = await shop.client.post("/v1/webhooks", json={"url": "https://x.org/a"})
    again = await shop.client.post("/v1/webhooks", json={"url": "https://x.org/a"})
    assert (again.status_code, again.json()["details"]["id"]) == (409, made.json()["id"])
    path = f"/v1/webhooks/{made.json()['id']}"
    for change in ({"url": "https://[::1]/"}, {"active": None}, {"secret": "x"}):
        assert (await shop.client.patch(path, json=change)).status_code == 422
    assert (await shop.client.delete(path)).status_code == 204
    assert (await shop.client.delete(path)).status_code == 404
    assert (await shop.client.post("/v1/webhooks", json={"url": "https://x.org/a"})).is_success


KILLED = """
import asyncio, sys
from rapport_common.db import create_engine
from rapport_common.testing.credentials import WEBHOOK_KEY
from rapport_common.outside.addresses import networks
from rapport_segment.domain.secret_keys import SecretKeys, place_of
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_segment.sender import Sender

async def main():
    engine = create_engine(sys.argv[1], application="segment-killed")
    poster = Poster(networks("127.0.0.0/8"), seconds=60)
    sender = Sender(engine, poster, Sealer(SecretKeys((WEBHOOK_KEY,)), place_of))
    await sender.turn()
    await sender.drain()

asyncio.run(main())
"""


async def test_who_is_killed_while_posting_has_it_posted_again_under_the_same_id(
    shop: Shop, engine: AsyncEngine, database_url: str
) -> None:
    async with receiving() as to:
        to.open.clear()
        await shop.webhook(to)
        await shop.has(1, *PEOPLE[:3])
        killed = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, database_url, cwd=Path.cwd()
        )
        async with asyncio.timeout(HANG_SECONDS):
            while len(to.came) < 3:
                to.arrived.clear()
                await to.arrived.wait()
        os.kill(killed.pid, signal.SIGKILL)
        await killed.wait()
        to.open.set()
        await shop.post()
        assert len(to.came) == 3, "they are held until the lease ends"
        shop.late = LEASE * 1.1
        await shop.post()
        assert sorted(one.id for one in to.came[3:]) == sorted(one.id for one in to.came[:3])
        async with engine.begin() as tx:
            left = await tx.scalar(text("SELECT count(*) FROM segment.webhook_post"))
        assert left == 0
