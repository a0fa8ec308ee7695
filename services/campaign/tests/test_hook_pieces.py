"""Large posts of vendors: taken in piece by piece, and in the way of nobody."""

import asyncio
import json
from typing import Any

import pytest
from services.campaign.tests.conftest import publisher, quick_settings
from services.campaign.tests.vendor_posts import SECRETS, standard_post
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.locks import somebody_waits
from tests.support.waiting import HANG_SECONDS

from rapport_campaign.domain import returning
from rapport_campaign.domain.tokens import Token
from rapport_campaign.fetching import Certificates
from rapport_campaign.handlers import hooks as use
from rapport_campaign.handlers.hooks import PIECE, Hooks, Taken
from rapport_campaign.handlers.outcomes import Outcomes
from rapport_campaign.intake.taking import Taker
from rapport_campaign.store import hooks as store
from rapport_campaign.store import locks
from rapport_common import clock
from rapport_common.testing.credentials import LINK_KEY

pytestmark = pytest.mark.integration
ADDRESSES = ("ada@example.com", "bob@example.com")


class Desk:
    """A hook, and two messages: of the one that comes first in a post, the address is last in the
    order in which addresses are locked.
    """

    def __init__(self, engine: AsyncEngine, hooks: Hooks, token: Token, scenario: Any) -> None:
        self.engine = engine
        self._hooks = hooks
        self._token = token
        self._scenario = scenario
        self.keys: list[str] = []
        self.addresses: list[str] = []

    async def deliver(self) -> None:
        await self._scenario.started()
        for number, address in enumerate(ADDRESSES):
            await self._scenario.topics.person(f"p{number}", address)
            await self._scenario.topics.entered(f"p{number}")
        await self._scenario.turn()
        self.keys = [one["send_key"] for one in await self._scenario.ledger.rows()]
        assert len(self.keys) == len(ADDRESSES)
        rows = await self._scenario.ledger.query(
            "SELECT a FROM unnest(ARRAY['ada@example.com', 'bob@example.com']) AS a "
            "ORDER BY hashtextextended(E'address\\nacme\\n' || a, 0) DESC"
        )
        self.addresses = [one["a"] for one in rows]
        for key, address in zip(self.keys, self.addresses, strict=True):
            await self._scenario.ledger.change(
                f"UPDATE campaign.message SET to_address = '{address}' WHERE send_key = '{key}'"
            )

    def name(self, number: int) -> str:
        return f"m.{returning.signed(LINK_KEY, 'acme', self.keys[number])}@x"

    async def post(self, *numbers: int) -> Taken:
        said = [{"message": self.name(one), "kind": "delivered"} for one in numbers]
        post = standard_post(json.dumps({"outcomes": said}).encode(), clock.now().timestamp())
        return await self._hooks.post(self._token, "standard", post)

    async def kept(self) -> list[int]:
        """How many reports are kept of each message."""
        rows = await self._scenario.ledger.query("SELECT send_key FROM campaign.outcome")
        return [sum(one["send_key"] == key for one in rows) for key in self.keys]


@pytest.fixture
async def desk(scenario: Any, engine: AsyncEngine) -> Desk:
    async def fetch(url: str) -> bytes:
        raise AssertionError(url)

    keys = quick_settings(1).secret_keys()
    hook, _ = use.made("acme", "ada", "standard", SECRETS["standard"], keys)
    async with engine.begin() as tx:
        await store.add(tx, hook)
    hooks = Hooks(engine, Outcomes(publisher(), LINK_KEY), keys, Certificates(fetch))
    made = Desk(engine, hooks, Token("acme", hook.hook_id), scenario)
    await made.deliver()
    return made


async def test_a_piece_is_committed_before_the_next_is_begun(desk: Desk) -> None:
    numbers = [0] * (PIECE + 10) + [1] * 5
    async with desk.engine.begin() as holding:
        await locks.own_addresses(holding, [("acme", desk.addresses[1])])
        posting = asyncio.create_task(desk.post(*numbers))
        await somebody_waits(desk.engine)
        assert await desk.kept() == [PIECE, 0], "what is done needs no other try"
        # The vendor gives up, and tries once more.
        posting.cancel()
        await asyncio.wait([posting])
    async with asyncio.timeout(HANG_SECONDS):
        assert await desk.post(*numbers) == Taken(15, PIECE), "the rest, once"
    assert await desk.kept() == [PIECE + 10, 5]


@pytest.mark.parametrize("way", ["post", "mail"])
async def test_addresses_are_locked_in_the_order_of_everybody(desk: Desk, way: str) -> None:
    """Who holds the first address of two gets the second, whoever waits to report of both."""
    async with desk.engine.begin() as claiming:
        await locks.own_addresses(claiming, [("acme", desk.addresses[1])])
        taking = asyncio.create_task(desk.post(0, 1) if way == "post" else _mail(desk))
        await somebody_waits(desk.engine)
        async with asyncio.timeout(HANG_SECONDS):
            await locks.own_addresses(claiming, [("acme", one) for one in desk.addresses])
    async with asyncio.timeout(HANG_SECONDS):
        assert await taking in {Taken(2, 0), True}
    assert await desk.kept() == [1, 1]


async def _mail(desk: Desk) -> bool:
    """A bounce that came to the addresses of both messages."""
    outcomes = Outcomes(publisher(), LINK_KEY)
    taker = Taker(desk.engine, outcomes)
    signed = [returning.signed(LINK_KEY, "acme", key) for key in desk.keys]
    said = [returning.read(one) for one in signed]
    places = [await taker.place(one) for one in said if one is not None]
    raw = b"From: <>\r\nSubject: Automatic reply\r\nAuto-Submitted: auto-replied\r\n\r\nGone\r\n"
    return await taker.take(raw, "smtp", to=[one for one in places if one is not None])
