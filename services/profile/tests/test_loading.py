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
from rapport_profile.store import people
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
        tx: AsyncConnection, asked: Mapping[str, Any], held: Collection[Scoped]
    ) -> set[Scoped]:
        found = await look(tx, asked, held)
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
