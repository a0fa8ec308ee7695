"""People are forgotten: all of them, once and for ever; what is received since is somebody new."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from services.profile.tests.conftest import erasing
from services.profile.tests.parts import aside, day, fresh_parts
from services.profile.tests.people import IDS, START, Content, event, events, expected
from services.profile.tests.postgres import feed, known, wipe
from services.profile.tests.postgres import told as told_of
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine

from rapport_common.events.envelope import Event
from rapport_common.kafka.store import read_tallies
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Subject
from rapport_common.testing.credentials import EVENT_KEY
from rapport_common.testing.examples import examples
from rapport_profile.domain.naming import Id, naming
from rapport_profile.handlers.forgetting import sweeps
from rapport_profile.handlers.upkeep import Upkeep
from rapport_profile.store import expiring, privacy

pytestmark = pytest.mark.integration
DAY = 24 * 60
AT = START + timedelta(minutes=30)
"""When somebody is forgotten; `LATER` events are received after it."""


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


def later(one: Event) -> Event:
    """The same, received after the wish."""
    return replace(one, received_at=AT + timedelta(minutes=1))


def ids_of(one: Event) -> set[Id]:
    who = naming(one)
    assert who is not None
    return {IDS.of("w", identifier) for identifier in who.all}


def left(history: Sequence[Event], forgotten: set[Id]) -> list[Event]:
    """What counts of a history: no message of which a copy was refused."""
    refused = {
        one.message_id for one in history if one.received_at < AT and ids_of(one) & forgotten
    }
    return [one for one in history if one.message_id not in refused]


async def ask(
    engine: AsyncEngine, ids: set[Id], profiles: dict[Id, int], at: datetime = AT
) -> None:
    """Let a wish hold at a time, for these identifiers."""
    who = Subject(
        workspace="w",
        request_id="0190a5c0-0000-7000-8000-000000000001",
        profile_id=next(iter(profiles), "0190a5c0-0000-7000-8000-000000000001"),
        subjects=frozenset(one.replace("-", "") for one in ids),
        kinds=frozenset({"user_id", "email", "anonymous_id"}),
        profiles=frozenset(profiles),
        at=at,
    )
    async with engine.begin() as tx:
        await privacy.hold(tx)
        assert await privacy.PRIVACY.add(tx, who)


async def worked_off(engine: AsyncEngine) -> None:
    """All sweeps; nobody relays or writes for search here, so neither is waited for."""
    eraser = Eraser(
        "profile",
        [
            one
            for one in sweeps(IDS, EVENT_KEY)
            if not one.table.endswith(("outbox_batch", "search"))
        ],
    )
    eraser.over(engine)
    while await eraser.turn():
        pass
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT finished_at, error FROM profile.erasure"))
        assert all(row.finished_at is not None and row.error is None for row in rows)
        # Its receipt, which is no step in anybody's life.
        await tx.execute(text("DELETE FROM profile.outbox_batch WHERE topic = 'privacy'"))


async def person_of(engine: AsyncEngine, value: tuple[str, str]) -> tuple[set[Id], dict[Id, int]]:
    """The identifiers and profile ids of whoever has an identifier."""
    async with engine.begin() as tx:
        found = await erasing().find(tx, "w", value)
    return set(found.identifiers), dict(found.profiles)


async def stored(engine: AsyncEngine, ids: set[Id]) -> set[Id]:
    """Those of the identifiers, or of the same values as another kind, that have a row."""
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT CAST(id AS text) FROM profile.identifier"))
        return set(rows.scalars()) & ids


async def contents(engine: AsyncEngine) -> tuple[Content, Content]:
    async with engine.begin() as tx:
        return await known(tx), await told_of(tx)


old = events().map(lambda one: replace(one, message_id=f"a{one.message_id}"))
new = events().map(lambda one: replace(later(one), message_id=f"b{one.message_id}"))


@settings(max_examples=examples(20))
@given(
    told=st.tuples(
        st.lists(old, min_size=1, max_size=8),
        st.lists(old | new, max_size=6),
        st.lists(old | new, max_size=6),
    ),
    again=st.randoms(use_true_random=False),
    who=st.sampled_from(
        [("user_id", "A"), ("email", "e1"), ("anonymous_id", "x"), ("user_id", "B")]
    ),
)
def test_whatever_comes_when_the_same_is_left(
    database: str,
    told: tuple[list[Event], list[Event], list[Event]],
    again: object,
    who: tuple[str, str],
) -> None:
    """Events before the wish, between it and the work, and afterwards; late ones and duplicates."""
    before, meanwhile, after = told

    async def run() -> None:
        engine = patient_engine(database, application="property", pool=2)
        try:
            await wipe(engine)
            await feed(engine, before)
            ids, profiles = await person_of(engine, who)
            await ask(engine, ids, profiles)
            await feed(engine, meanwhile)
            await worked_off(engine)
            shuffled = [*before, *meanwhile, *after]
            again.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' Random
            await feed(engine, shuffled)
            history = [*before, *meanwhile, *after]
            counting = left(history, ids)
            wanted = expected(counting)
            assert await contents(engine) == (wanted, wanted)
            still = {one for event in counting for one in ids_of(event)}
            assert await stored(engine, ids) <= still, "who nobody names any more is not there"
            assert await checked(engine) == NOTHING
            async with engine.begin() as tx:
                tallies = await read_tallies(tx, "profile")
            counted = sum(tallies.get(one, 0) for one in ("profiled", "duplicate", "erased"))
            assert counted == len(before) + len(meanwhile) + len(shuffled)
        finally:
            await engine.dispose()

    asyncio.run(run())


async def test_nothing_is_left_and_who_comes_back_is_new(engine: AsyncEngine) -> None:
    zoe = [
        event("1", type="identify", user_id="A", email="zoe@example.com", traits={"name": "Zoe"}),
        event("2", anonymous_id="x", said={"note": "for Zoe"}, at=1),
        event("3", user_id="A", anonymous_id="x", at=2),
        event("4", user_id="B", at=3, said={"note": "for Ben"}),
        event("5", type="alias", user_id="A", previous_id="zoe-before", at=4),
    ]
    await feed(engine, zoe)
    ids, profiles = await person_of(engine, ("email", "zoe@example.com"))
    assert len(ids) == 4
    await ask(engine, ids, profiles)
    await worked_off(engine)
    async with engine.begin() as tx:
        for table in ("identifier", "timeline", "profile", "overflow", "link", "inbox"):
            rows = await tx.execute(text(f"SELECT CAST(t AS text) AS row FROM profile.{table} t"))
            shown = " ".join(row.row for row in rows)
            assert "zoe" not in shown.lower(), table
            assert table != "timeline" or "Ben" in shown
        removed = await tx.scalar(text("SELECT removed FROM profile.erasure"))
    assert removed["profile.identifier"] >= 6, "events and identifiers"
    await feed(engine, [zoe[0], later(event("9", user_id="A", at=40))])
    again, now = await person_of(engine, ("user_id", "A"))
    assert len(again) == 1
    assert not set(now) & set(profiles), "a new profile has a new id"


async def test_the_events_of_a_large_person_go_in_pieces(engine: AsyncEngine) -> None:
    await feed(engine, [event(f"m{n}", user_id="A", at=n / 100) for n in range(65)])
    ids, profiles = await person_of(engine, ("user_id", "A"))
    await ask(engine, ids, profiles)
    events = {"profile.timeline", "profile.identifier"}
    pieces = [one for one in sweeps(IDS, EVENT_KEY, at_once=10) if one.table in events]
    eraser = Eraser("profile", pieces).over(engine)
    pages = 0
    while await eraser.turn():
        pages += 1
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM profile.timeline")) == 0
        removed = await tx.scalar(text("SELECT removed FROM profile.erasure"))
    assert pages > 5, "each a transaction of its own"
    assert removed == {"profile.timeline": 50, "profile.identifier": 16}


async def test_months_that_are_taken_off_are_looked_through_too(engine: AsyncEngine) -> None:
    """Some of a month's events are in the sums, some are not yet, all have a row."""
    await fresh_parts(engine)
    upkeep = Upkeep(engine, 30, now=lambda: day(70), page=3)
    people = ("A", "B", "C")
    history = [
        event(f"m{n}", user_id=people[n % 3], said={"note": f"of {people[n % 3]}"}, at=n * DAY)
        for n in range(12)
    ]
    await feed(engine, history)
    await upkeep.close_months()
    async with engine.begin() as tx:
        await expiring.expire_closing(tx, 5)
        names = await aside(tx)
    assert names
    ids, profiles = await person_of(engine, ("user_id", "A"))
    await ask(engine, ids, profiles, day(300))
    await worked_off(engine)
    async with engine.begin() as tx:
        for name in names:
            rows = await tx.execute(text(f"SELECT CAST(event AS text) FROM profile.{name}"))
            assert not [row for row in rows.scalars() if "of A" in row], name
    wanted = expected([one for one in history if not ids_of(one) & ids])
    assert await contents(engine) == (wanted, wanted)
    assert await checked(engine) == NOTHING
    while True:
        async with engine.begin() as tx:
            if await expiring.expire_closing(tx, 5) is None:
                break
    assert await contents(engine) == (wanted, wanted)
