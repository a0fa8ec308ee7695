"""The follower in a database: it leaves what the rules say, and touches only what it has to."""

import itertools
import random
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import MetaData, event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.activity import SECTIONS, ProfileActivity
from rapport_common.follower.domain import Following, Held, Key
from rapport_common.follower.follower import Follower
from rapport_common.follower.tables import Followed, follower_table
from rapport_common.kafka.batch import Record
from rapport_common.testing.profiles import Profiles, sections

pytestmark = pytest.mark.integration
IDS = [str(uuid.UUID(int=number)) for number in range(1, 7)]


async def made(engine: AsyncEngine, followed: Followed) -> Follower:
    tables = MetaData(schema=followed.schema)
    follower_table(tables, followed)
    async with engine.begin() as tx:
        await tx.run_sync(tables.create_all)
    return Follower(followed)


def kept(_key: Key, place: int, record: ProfileActivity) -> str:
    return msgspec.json.encode(getattr(record, SECTIONS[place])).decode()


async def take(
    engine: AsyncEngine, follower: Follower, records: Sequence[ProfileActivity]
) -> Following:
    batch = [Record("profile.activity", 0, index, b"", one) for index, one in enumerate(records)]
    steps = [step for step, _record in follower.read(batch)]
    async with engine.begin() as tx:
        following = (await follower.load(tx, steps, with_heirs=0)).following
        for one in steps:
            following.apply(one)
        await follower.save(tx, following, kept)
    return following


def history(chance: random.Random) -> tuple[Profiles, list[ProfileActivity]]:
    profiles = Profiles()
    records: list[ProfileActivity] = []
    for number in range(60):
        who, other = chance.sample(IDS, 2)
        told = sections([("user_id", who)], {"n": number}, events=number)
        some = {name: told[name] for name in SECTIONS if chance.random() < 0.4}
        lives = who in profiles.held and profiles.held[who].lives
        if lives and number % 8 == 7:
            records += profiles.merged(who, other, **some)
        elif lives and number % 17 == 16:
            records.append(profiles.gone(who))
        elif number % 20 == 19:
            records += profiles.republished()
        else:
            records.append(profiles.event(who, **some))
    return profiles, records


@pytest.mark.parametrize("ids", ["text", "uuid"])
@pytest.mark.parametrize("seed", range(3))
async def test_any_order_and_batching_leaves_what_there_is(
    engine: AsyncEngine, service: str, seed: int, ids: Any
) -> None:
    follower = await made(engine, Followed(service, SECTIONS, ids=ids, kept="json"))
    chance = random.Random(seed)
    profiles, records = history(chance)
    log = records + chance.sample(records, 10)
    chance.shuffle(log)
    while log:
        size = chance.randint(1, 20)
        await take(engine, follower, log[:size])
        log = log[size:]
    keys = [("acme", who) for who in profiles.held]
    columns = ", ".join(f"CAST({name} AS text)" for name in SECTIONS)
    async with engine.begin() as tx:
        held = await follower.store.held(tx, keys)
        now_ids = await follower.store.resolve(tx, keys)
        lacking = await follower.store.lacking(tx)
        rows = await tx.execute(text(f"SELECT CAST(profile_id AS text), {columns} FROM person"))
        stored = {row[0]: tuple(row[1:]) for row in rows.all()}
    assert lacking == 0
    for who, one in profiles.held.items():
        found = held["acme", who]
        assert (found.lives, found.heir) == (one.lives, one.heir)
        assert found.versions == tuple(one.versions.values())
        expected = [msgspec.json.encode(one.content[name]).decode() for name in SECTIONS]
        assert stored[who] == (tuple(expected) if one.lives else (None,) * len(SECTIONS))
        last = who
        while (heir := profiles.held[last].heir) is not None:
            last = heir
        assert now_ids["acme", who] == last


async def test_what_tells_nothing_that_is_followed_is_one_look(
    engine: AsyncEngine, service: str
) -> None:
    follower, profiles = await made(engine, Followed(service, ("identifiers",))), Profiles()
    await take(engine, follower, [profiles.event("p1")])
    statements: list[str] = []
    event.listen(
        engine.sync_engine,
        "before_cursor_execute",
        lambda *given: statements.append(given[2]),
    )
    records = [profiles.event("p1", computed=sections(events=n)["computed"]) for n in range(9)]
    following = await take(engine, follower, records)
    assert following.held == {}
    [look] = statements
    assert look.startswith("SELECT")
    assert "UPDATE" not in look


async def test_who_was_never_told_of_and_lacks_something_is_noted(
    engine: AsyncEngine, service: str
) -> None:
    follower, profiles = await made(engine, Followed(service, ("identifiers",))), Profiles()
    profiles.event("p1")
    await take(engine, follower, [profiles.event("p1", computed=sections()["computed"])])
    async with engine.begin() as tx:
        held = await follower.store.held(tx, [("acme", "p1")])
        assert await follower.store.lacking(tx) == 1
    assert held == {("acme", "p1"): Held((0,), lacks=(1,))}
    await take(engine, follower, profiles.republished())
    async with engine.begin() as tx:
        assert await follower.store.lacking(tx) == 0


async def test_a_way_from_heir_to_heir_is_walked_to_its_end(
    engine: AsyncEngine, service: str
) -> None:
    follower, profiles = await made(engine, Followed(service, SECTIONS, kept="json")), Profiles()
    names = [f"p{number:02}" for number in range(30)]
    for old, into in itertools.pairwise(names):
        await take(engine, follower, profiles.merged(old, into))
    async with engine.begin() as tx:
        assert (await follower.store.resolve(tx, [("acme", names[0])])) == {
            ("acme", names[0]): names[-1]
        }
        assert await follower.store.resolve(tx, []) == {}
