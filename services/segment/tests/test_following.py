"""What segment knows of people, by section: told once, told again, or missed."""

import random
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from services.segment.tests.building import build
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.membership import Membership
from rapport_common.testing.profiles import NOON, Profiles, sections
from rapport_segment.handlers import segments
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.store import definitions

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

IDS = [str(uuid.UUID(int=number)) for number in range(1, 9)]
OPERATOR = Operator("ada", "acme", frozenset({"*"}))
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}
REACHED = {"identifier": "email", "op": "exists"}
RULES: dict[str, dict[str, Any]] = {
    "buyers": BUYERS,
    "gold buyers": {"and": [GOLD, BUYERS]},
    "plain": {"not": GOLD},
}
PEOPLE = (
    "profile_id, version, known, ended, heir, lacks, identifiers, traits, computed, "
    "identifiers_version, traits_version, computed_version"
)
Published = Callable[[], Awaitable[list[Membership]]]


class Workspace:
    """The handler over a database, and the profiles that are told of."""

    def __init__(self, engine: AsyncEngine, records: "Records") -> None:
        self.engine = engine
        self.profiles = Profiles()
        self._records = records
        self._handler = Judging()

    async def define(self, **rules: dict[str, Any]) -> None:
        for name, rule in rules.items():
            async with self.engine.begin() as tx:
                await segments.create(tx, OPERATOR, name, rule)
        await build(self.engine)

    async def apply(self, *values: ProfileActivity) -> None:
        batch = [self._records.record(one) for one in values]
        async with self.engine.begin() as tx:
            await self._handler.on_activity(batch, tx)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.engine.begin() as tx:
            return [tuple(row) for row in await tx.execute(text(query))]

    async def outcome(self) -> list[Any]:
        """What is known, and who is in which segment; and nobody is out of place."""
        async with self.engine.begin() as tx:
            for one in await definitions.active(tx, ["acme"]):
                rule = rule_of(one)
                assert await definitions.misplaced(tx, "acme", one.segment_id, rule, now=NOON) == []
        return [
            await self.rows(f"SELECT {PEOPLE} FROM segment.person ORDER BY profile_id"),
            await self.rows(
                "SELECT profile_id, segment_id FROM segment.membership "
                "WHERE exited_at IS NULL ORDER BY 1, 2"
            ),
        ]

    async def empty(self) -> None:
        async with self.engine.begin() as tx:
            await tx.execute(
                text("TRUNCATE segment.person, segment.membership, segment.outbox_batch")
            )


@pytest.fixture
def workspace(engine: AsyncEngine, records: "Records") -> Workspace:
    return Workspace(engine, records)


def person(orders: int, plan: str = "free", *names: tuple[str, str]) -> dict[str, Any]:
    return sections([("user_id", "u"), *names], {"plan": plan}, orders=orders)


async def test_an_event_rewrites_what_it_changes_and_asks_for_what_is_stored(
    workspace: Workspace, published: Published
) -> None:
    await workspace.define(**{"gold buyers": RULES["gold buyers"]})
    await workspace.apply(workspace.profiles.event(IDS[0], **person(0, "gold")))
    await workspace.apply(workspace.profiles.event(IDS[0], computed=person(1)["computed"]))
    assert [(one.change, one.profile_version) for one in await published()] == [("entered", 2)]
    versions = "identifiers_version, traits_version, computed_version, version"
    assert await workspace.rows(f"SELECT {versions} FROM segment.person") == [(1, 1, 2, 2)]
    await workspace.apply(workspace.profiles.event(IDS[0], traits=person(1)["traits"]))
    assert [one.change for one in await published()] == ["entered", "exited"]


async def test_a_record_that_tells_nothing_that_is_followed_writes_nothing(
    workspace: Workspace,
) -> None:
    await workspace.define(**RULES)
    await workspace.apply(workspace.profiles.event(IDS[0], **person(1)))
    rows = "SELECT xmin, ctid, version FROM segment.person"
    before = await workspace.rows(rows)
    await workspace.apply(workspace.profiles.event(IDS[0]))
    assert await workspace.rows(rows) == before


async def test_who_is_known_in_part_is_not_judged_until_all_is_told_again(
    workspace: Workspace, published: Published, client: httpx.AsyncClient
) -> None:
    await workspace.define(**RULES)
    workspace.profiles.event(IDS[0], **person(1, "gold"))
    await workspace.apply(workspace.profiles.event(IDS[0], computed=person(2)["computed"]))
    assert await published() == []
    assert (await client.get("/v1/ledger")).json()["lacking"] == 1
    preview = await client.post("/v1/segments/preview", json={"rule": BUYERS})
    assert (preview.json()["count"], preview.json()["of"]) == (0, 0)
    await workspace.apply(*workspace.profiles.republished())
    told = await published()
    assert [(one.change, one.cause, one.historic, one.restored) for one in told] == [
        ("entered", "merge", True, True)
    ] * 2
    ledger = (await client.get("/v1/ledger")).json()
    assert (ledger["lacking"], ledger["persons"], ledger["open_memberships"]) == (0, 1, 2)


async def test_what_is_missed_and_told_again_in_one_batch_is_judged_by_all_that_is_kept(
    workspace: Workspace, published: Published
) -> None:
    """Nobody knew before the batch that the identifiers would be asked for."""
    await workspace.define(reached=REACHED)
    await workspace.apply(
        workspace.profiles.event(IDS[0], **person(1, "free", ("email", "a@x.org")))
    )
    workspace.profiles.event(IDS[0], traits=person(1)["traits"])
    await workspace.apply(
        workspace.profiles.event(IDS[0], computed=person(2)["computed"]),
        workspace.profiles.event(IDS[0], traits=person(1, "gold")["traits"]),
    )
    assert [one.change for one in await published()] == ["entered"]
    assert (await workspace.outcome())[0][0][2:6] == (True, 0, None, None)


async def test_who_holds_all_of_it_changes_nothing_when_it_is_told_again(
    workspace: Workspace, published: Published
) -> None:
    await workspace.define(**RULES)
    await workspace.apply(*(workspace.profiles.event(who, **person(1)) for who in IDS[:3]))
    await workspace.apply(
        *workspace.profiles.merged(IDS[0], IDS[1], **person(2)), workspace.profiles.gone(IDS[2])
    )
    before, told = await workspace.outcome(), await published()
    await workspace.apply(*workspace.profiles.republished())
    assert (await workspace.outcome(), await published()) == (before, told)


@pytest.mark.parametrize("seed", range(3))
async def test_an_emptied_segment_is_filled_by_telling_again_while_events_flow(
    workspace: Workspace, published: Published, seed: int
) -> None:
    await workspace.define(**RULES, reached=REACHED)
    chance, profiles, living = random.Random(seed), workspace.profiles, list(IDS)
    log = [profiles.event(who, **person(0)) for who in IDS]

    def step(number: int) -> list[ProfileActivity]:
        who = chance.choice(living)
        made = person(
            chance.randint(0, 1), chance.choice(["gold", "free"]), ("email", f"{number}@x.org")
        )
        if number % 10 == 9 and len(living) > 3:
            living.remove(who)
            return list(profiles.merged(who, chance.choice(living), **made))
        kept = ("computed",) if number % 3 else chance.choice([("computed", "traits"), made])
        return [profiles.event(who, **{name: made[name] for name in kept})]

    for number in range(40):
        log += step(number)
    await workspace.apply(*log)
    assert not any(one.restored for one in await published())
    await workspace.empty()
    flowing: list[ProfileActivity] = []
    for number, who in enumerate(sorted(profiles.held)):
        late = step(100 + number)
        await workspace.apply(*late)
        await workspace.apply(*profiles.republished([who]))
        flowing += late
    filled = await workspace.outcome()
    assert all(row[5] is None for row in filled[0])
    assert any(one.restored for one in await published())
    await workspace.empty()
    await workspace.apply(*log, *flowing)
    assert await workspace.outcome() == filled
