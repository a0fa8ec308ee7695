"""Loading locks whom it loads, and is not deceived by what happens while it waits for a lock."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from services.profile.tests.people import IDS
from services.profile.tests.postgres import wipe
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.locks import somebody_waits

from rapport_common.events.envelope import Identifier
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.people import Node
from rapport_profile.store import people
from rapport_profile.store.acquainted import ACQUAINTED, Acquainted
from rapport_profile.store.people import Scoped

pytestmark = pytest.mark.integration

NAMED: Mapping[str, Identifier] = {one: ("anonymous_id", one) for one in "abc"}
_JOIN = text(
    "UPDATE profile.identifier SET cluster_id = CAST(:into AS uuid) WHERE workspace = 'w' "
    "AND CAST(id AS text) IN (:one, :into)"
)


def place(name: str) -> Scoped:
    return "w", IDS.of("w", NAMED[name])


def places(names: str) -> dict[Scoped, Identifier]:
    return {place(one): NAMED[one] for one in names}


async def test_who_is_new_is_held_and_needs_no_look(engine: AsyncEngine) -> None:
    await wipe(engine)
    working, held = Loaded(), set[Scoped]()
    async with engine.begin() as tx:
        await people.load_named(tx, working, places("ab"), [place("c")], held)
    assert held == {place("a"), place("b")}
    assert {one.name for one in working.nodes.values()} == {NAMED["a"], NAMED["b"]}
    again, held = Loaded(), set[Scoped]()
    async with engine.begin() as tx:
        await people.load_named(tx, again, places("ab"), [], held)
    assert again.nodes == working.nodes, "it is as it is stored"
    assert held == {place("a"), place("b")}


async def test_a_cluster_that_was_joined_to_another_meanwhile_is_held_with_it(
    engine: AsyncEngine,
) -> None:
    await wipe(engine)
    async with engine.begin() as tx:
        await people.ensure_identifiers(tx, places("abc"))
    working, held = Loaded(), set[Scoped]()

    async def load(tx: AsyncConnection) -> None:
        await people.load(tx, working, [place("a")], held)

    async with engine.connect() as joining, engine.connect() as loading:
        async with joining.begin():
            await people.load(joining, Loaded(), [place("a"), place("b")], set())
            one, into = place("a")[1], place("b")[1]
            await joining.execute(_JOIN, {"one": one, "into": into})
            task = asyncio.ensure_future(load(loading))
            await somebody_waits(engine)
        await task
        assert working.nodes[one].cluster_id == into
        assert place("b") in held, "the lock of what it belongs to now"
        await loading.rollback()


async def test_who_comes_between_the_locks_and_the_look_is_held(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wipe(engine)
    look = people._lock

    async def another_comes_after_it(
        tx: AsyncConnection, asked: Mapping[str, Any], held: Collection[Scoped], *rest: Any
    ) -> set[Scoped]:
        found = await look(tx, asked, held, *rest)
        if not found:
            async with engine.begin() as other:
                await people.ensure_identifiers(other, places("a"))
        return found

    monkeypatch.setattr(people, "_lock", another_comes_after_it)
    working, held = Loaded(), set[Scoped]()
    async with engine.begin() as tx:
        await people.load(tx, working, [place("a")], held)
    assert place("a")[1] in working.nodes
    assert held == {place("a")}


async def test_a_cluster_named_after_who_is_gone_is_not_looked_for_without_end(
    engine: AsyncEngine,
) -> None:
    await wipe(engine)
    into = place("b")[1]
    async with engine.begin() as tx:
        await people.ensure_identifiers(tx, places("a"))
        await tx.execute(_JOIN, {"one": place("a")[1], "into": into})
    working, held = Loaded(), set[Scoped]()
    async with engine.begin() as tx:
        await people.load(tx, working, [place("a")], held)
    assert working.nodes[place("a")[1]].cluster_id == into
    assert held == set()


async def load_named(engine: AsyncEngine, names: str, *, remember: bool = False) -> set[Scoped]:
    """Load in a transaction; what was held. `remember` as a batch of events does."""
    working, held = Loaded(), set[Scoped]()
    async with engine.begin() as tx:
        await people.load_named(tx, working, places(names), [], held)
        if remember:
            ACQUAINTED.remember(tx, working.nodes.values())
    assert working.nodes.keys() == {place(one)[1] for one in names}
    return held


async def test_who_was_there_lately_is_not_made_and_held_all_the_same(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wipe(engine)
    made: list[Scoped] = []
    make = people.ensure_identifiers

    async def noted(tx: AsyncConnection, wanted: Mapping[Scoped, Identifier]) -> set[Scoped]:
        made.extend(wanted)
        return await make(tx, wanted)

    monkeypatch.setattr(people, "ensure_identifiers", noted)
    await load_named(engine, "ab", remember=True)
    made.clear()
    assert await load_named(engine, "ab") == {place("a"), place("b")}
    assert made == []
    assert await load_named(engine, "abc") == {place(one) for one in "abc"}
    assert made == [place("c")]


async def test_who_was_forgotten_since_is_made_anew(engine: AsyncEngine) -> None:
    await wipe(engine)
    await load_named(engine, "ab", remember=True)
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.identifier WHERE value = 'a'"))
    assert await load_named(engine, "ab") == {place("a"), place("b")}
    async with engine.begin() as tx:
        found = await tx.execute(text("SELECT value FROM profile.identifier ORDER BY value"))
        assert list(found.scalars()) == ["a", "b"]


async def test_who_was_joined_to_another_since_is_held_with_it(engine: AsyncEngine) -> None:
    await wipe(engine)
    await load_named(engine, "ab", remember=True)
    async with engine.begin() as tx:
        await tx.execute(_JOIN, {"one": place("a")[1], "into": place("b")[1]})
    assert place("b") in await load_named(engine, "a")


async def test_nobody_is_remembered_by_what_was_rolled_back(engine: AsyncEngine) -> None:
    await wipe(engine)

    async def fail() -> None:
        async with engine.begin() as tx:
            working = Loaded()
            await people.load_named(tx, working, places("a"), [], set())
            ACQUAINTED.remember(tx, working.nodes.values())
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    async with engine.begin() as tx:
        assert ACQUAINTED.guesses(tx, places("a")) == {}


async def test_those_are_remembered_who_were_there_last(engine: AsyncEngine) -> None:
    acquainted = Acquainted(most=2)
    for names in ("ab", "a", "c"):
        async with engine.begin() as tx:
            acquainted.remember(tx, [Node(place(one)[1], "w", *NAMED[one]) for one in names])
    async with engine.begin() as tx:
        assert acquainted.guesses(tx, places("abc")).keys() == {place("a"), place("c")}
