"""Workspaces take turns at the mail server, however much one of them has to send."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.campaign.tests.conftest import make_sender, quick_settings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Claimed, Kind
from rapport_campaign.domain.turns import Turn
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import plan, sending
from rapport_campaign.store.sending import Mark

BATCH = 5
HEAVY, LIGHT = "heavy", "light"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["entry", "request", "test"]))))
def test_who_was_served_goes_behind_the_others(served: list[tuple[str, Kind]]) -> None:
    turn = Turn()
    for workspace, kind in served:
        before, turn = turn, turn.followed_by(workspace, kind)
        if kind == "entry":
            assert turn == Turn(
                express_first=True,
                express_after=before.express_after,
                campaigns_after=workspace,
            )
        else:
            assert turn == Turn(
                express_first=False,
                express_after=workspace,
                campaigns_after=before.campaigns_after,
            )


async def running(tx: AsyncConnection, workspace: str, broadcast: str | None = None) -> str:
    campaign_id = str(uuid.uuid4())
    await tx.execute(
        text(
            "INSERT INTO campaign.campaign (workspace, campaign_id, name, segment_id, purpose, "
            "from_address, subject, html, allow_old_events, include_existing, state, created_at, "
            "broadcast_id) "
            "VALUES (:workspace, CAST(:id AS uuid), 'n', 's', 'promotion', 'a@b.example', 's', "
            "'h', false, false, 'running', now(), CAST(:broadcast AS uuid))"
        ),
        {"workspace": workspace, "id": campaign_id, "broadcast": broadcast},
    )
    return campaign_id


async def planned(
    tx: AsyncConnection, workspace: str, count: int, campaign_id: str | None = None, due: int = -1
) -> None:
    """So many messages of a campaign, or so many requests; due in so many seconds."""
    await tx.execute(
        text(
            "INSERT INTO campaign.plan (workspace, send_key, kind, queue, purpose, campaign_id, "
            "occasion, step, channel, profile_id, needed_version, due_at, "
            "planned_at) SELECT :workspace, gen_random_uuid(), CASE WHEN :queue = '' "
            "THEN 'request' ELSE 'entry' END, :queue, 'promotion', CAST(:campaign AS uuid), "
            "gen_random_uuid(), '1', 'email', 'p', 1, "
            "now() + make_interval(secs => :due) + n * interval '1 us', now() "
            "FROM generate_series(1, :count) AS n"
        ),
        {
            "workspace": workspace,
            "queue": campaign_id or "",
            "campaign": campaign_id,
            "due": due,
            "count": count,
        },
    )


class Senders:
    """Claims batch after batch, as the lanes of a process do, and settles what it has."""

    def __init__(self, tx: AsyncConnection) -> None:
        self._tx = tx
        self.turn = Turn()

    async def claim(self) -> list[Claimed]:
        found = await plan.claim(self._tx, BATCH, self.turn)
        if found:
            self.turn = self.turn.followed_by(found[0].workspace, found[0].kind)
            marks = [Mark(one.key, "suppressed", "test") for one in found]
            await sending.mark(self._tx, marks, token=str(uuid.uuid4()), lease=1)
        return found

    async def until(self, workspace: str, kind: str = "entry") -> int:
        """How many claims it takes until something of a workspace is among them."""
        for number in range(1, 100):
            if any((one.workspace, one.kind) == (workspace, kind) for one in await self.claim()):
                return number
        pytest.fail("it never comes")


@pytest.mark.integration
async def test_ten_heavy_campaigns_do_not_keep_another_workspaces_one_mail(scenario: Any) -> None:
    async with scenario.engine.begin() as tx:
        for _ in range(10):
            await planned(tx, HEAVY, 60, await running(tx, HEAVY))
        light = await running(tx, LIGHT)
        senders = Senders(tx)
        for _ in range(20):
            await planned(tx, LIGHT, 1, light)
            assert await senders.until(LIGHT) <= 2


@pytest.mark.integration
async def test_what_events_call_for_is_in_each_claim_beside_a_broadcast(scenario: Any) -> None:
    """However much that has; what one of them leaves the other takes."""
    async with scenario.engine.begin() as tx:
        run = await running(tx, HEAVY, broadcast=str(uuid.uuid4()))
        events = [await running(tx, HEAVY) for _ in range(2)]
        for one, number in ((run, 90), (events[0], 50), (events[1], 50)):
            await planned(tx, HEAVY, number, one)
        senders = Senders(tx)
        for _ in range(15):
            found = [one.campaign_id for one in await senders.claim()]
            assert (len(found), found.count(run) <= 3) == (BATCH, True)
        while found != [run] * BATCH:
            found = [one.campaign_id for one in await senders.claim()]
        assert [one.campaign_id for one in await senders.claim()] == [run] * BATCH


@pytest.mark.integration
async def test_lanes_believe_each_other_that_nothing_is_due(
    scenario: Any, renderer: Renderer
) -> None:
    settings = quick_settings(scenario.mail_server.port)
    sender = make_sender(scenario.engine, settings, renderer)
    assert not await sender._anything_due()
    assert sender._nothing_until > float("-inf")
    sender._nothing_until = float("inf")  # a rest as long as the test
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    assert not await sender._anything_due(), "another lane has just looked"
    sender._nothing_until = float("-inf")  # the rest is over
    assert await sender._anything_due()
    assert await sender._anything_due(), "where there is something each of them asks"


@pytest.mark.integration
async def test_who_has_much_to_send_shares_the_turns_with_who_has_as_much(scenario: Any) -> None:
    names = [f"w{number}" for number in range(4)]
    async with scenario.engine.begin() as tx:
        for number, name in enumerate(names):
            for _ in range(1 + 3 * number):
                await planned(tx, name, 40, await running(tx, name))
        senders = Senders(tx)
        first = [(await senders.claim())[0].workspace for _ in range(20)]
    assert {name: first.count(name) for name in names} == dict.fromkeys(names, 5)


@pytest.mark.integration
async def test_express_messages_and_campaigns_do_not_wait_for_each_other(scenario: Any) -> None:
    """Neither a flood of requests stops the campaigns, nor campaigns a request."""
    async with scenario.engine.begin() as tx:
        senders = Senders(tx)
        await planned(tx, HEAVY, 400)
        for name in (HEAVY, LIGHT):
            await planned(tx, name, 200, await running(tx, name))
        for _ in range(5):
            await planned(tx, LIGHT, 1)
            assert await senders.until(LIGHT, "request") <= 4
            assert await senders.until(LIGHT) <= 4


@pytest.mark.integration
async def test_a_batch_is_filled_from_whoever_has_something(scenario: Any) -> None:
    async with scenario.engine.begin() as tx:
        assert not await plan.anything_due(tx)
        for name in ("a", "b", "c"):
            await planned(tx, name, 1, await running(tx, name))
            await planned(tx, name, 1)
            await planned(tx, name, 3, due=60)
        senders = Senders(tx)
        assert await plan.anything_due(tx)
        assert [len(await senders.claim()) for _ in range(3)] == [5, 1, 0]
        assert not await plan.anything_due(tx)


@pytest.mark.integration
async def test_a_claim_reads_nothing_that_is_not_due(scenario: Any) -> None:
    """Whatever waits in the ledger: it is asked for by the index, a row per queue."""
    async with scenario.engine.begin() as tx:
        for name in (HEAVY, LIGHT):
            campaign = await running(tx, name)
            await planned(tx, name, 2000, campaign, due=3600)
            await planned(tx, name, 2000, due=3600)
            await planned(tx, name, 3, campaign)
        await tx.execute(text("ANALYZE campaign.plan"))
        before = await read(tx)
        assert len(await plan.claim(tx, BATCH, Turn())) == BATCH
        assert await plan.anything_due(tx)
        assert await read(tx) - before < 100


async def read(tx: AsyncConnection) -> int:
    """Rows of the ledger that this transaction has read, by whatever way."""
    found = await tx.scalar(
        text(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
            "WHERE schemaname = 'campaign' AND relname = 'plan'"
        )
    )
    return int(found or 0)
