"""Computed traits in Postgres: any history, with copies, other merge rules and late events."""

import asyncio
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.people import START, events, rule_sets
from services.profile.tests.postgres import feed, wipe
from services.profile.tests.test_rebuilding import NOTHING, book, checked, declared
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine

from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain.computed.book import Trait, Traits
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.computed.values import valued
from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.published import Summary
from rapport_profile.store import computed_traits
from rapport_profile.store.inbox import stored_event

pytestmark = pytest.mark.integration

BOUGHT = {"events": [{"event": "Order Completed"}]}
TOTAL = {"value": {"property": "total"}}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "t1": {**BOUGHT, "aggregate": "count"},
    "t2": {**BOUGHT, **TOTAL, "aggregate": "sum", "kind": "money"},
    "t3": {**BOUGHT, **TOTAL, "aggregate": "last", "kind": "text"},
    "t4": {"events": [{"event": "Case Opened"}], **TOTAL, "aggregate": "list", "kind": "text"},
}
TRAITS = Traits(
    Trait(number, name, 1, "live", msgspec.convert(one, Definition))
    for number, (name, one) in enumerate(DOCUMENTS.items(), 1)
)
HISTORIES = st.lists(events(), max_size=10)


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


@settings(max_examples=examples(15))
@given(st.tuples(HISTORIES, HISTORIES), st.tuples(rule_sets(), rule_sets()))
def test_values_are_those_of_all_events(
    database: str, told: tuple[list[Event], list[Event]], rules: tuple[Rules, Rules]
) -> None:
    async def run() -> None:
        engine = patient_engine(database, application="property", pool=2)
        try:
            await wipe(engine)
            await _define(engine)
            await declared(engine, rules[0])
            for piece in (told[0][:4], told[0][4:]):
                await feed(engine, piece, book(rules[0]))
                await _are_exact(engine)
            assert await checked(engine) == NOTHING
            await declared(engine, rules[1])
            await _are_exact(engine)
            await feed(engine, told[1], book(rules[1]))
            await _are_exact(engine)
            assert await checked(engine) == NOTHING
        finally:
            await engine.dispose()

    asyncio.run(run())


async def _define(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        for one in TRAITS.by_id.values():
            made = await computed_traits.add(
                tx, "w", one.name, 1, one.definition, by=("ada", "a test")
            )
            assert made == one.id
        await computed_traits.move_on(tx, "w", list(TRAITS.by_id), "live", ["filling"])


async def _are_exact(engine: AsyncEngine) -> None:
    """The values of everybody are those of the events on their identifiers' timelines."""
    query = (
        "SELECT i.profile_id, CAST(t.event AS text) AS event FROM profile.timeline t "
        "JOIN profile.identifier i ON i.workspace = t.workspace AND i.id = t.identifier_id"
    )
    people = "SELECT id, CAST(summary AS text) AS summary FROM profile.profile WHERE members > 0"
    history = defaultdict(list)
    async with engine.begin() as tx:
        for row in await tx.execute(text(query)):
            history[row.profile_id].append(stored_event(row.event))
        found = (await tx.execute(text(people))).fetchall()
    for row in found:
        states = TRAITS.of_events(history[row.id])
        wanted = {
            one.name: valued(one.id, one.definition, states[one.id], START)
            for one in TRAITS.by_id.values()
            if one.id in states
        }
        assert msgspec.json.decode(row.summary, type=Summary).values == wanted
