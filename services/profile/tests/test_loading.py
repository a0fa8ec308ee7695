"""Loading locks whom it loads, and is not deceived by what happens while it waits for a lock."""

import asyncio
from collections.abc import Mapping

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
