"""Who is too large for one record is forgotten, and told of, in portions, as others are at once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from services.profile.tests.people import IDS, event, expected
from services.profile.tests.postgres import feed, wipe
from services.profile.tests.test_erasing import (
    AT,
    contents,
    ids_of,
    left,
    new,
    old,
    stored,
)
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine
from tests.support.outbox import waiting

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import Retry
from rapport_common.events.envelope import Event
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import SERVICES
from rapport_common.ids import uuid7_text
from rapport_common.kafka.batch import Record
from rapport_common.kafka.store import read_tallies
from rapport_common.privacy.eraser import Eraser
from rapport_common.testing.credentials import EVENT_KEY, RECEIPT_KEY
from rapport_common.testing.examples import examples
from rapport_profile.domain.naming import Id
from rapport_profile.handlers.accessing import Accessing
from rapport_profile.handlers.deciding import Deciding
from rapport_profile.handlers.erasing import Erasing, shown
from rapport_profile.handlers.portions import Room, further, wish
from rapport_profile.handlers.privacy import eraser as made_eraser
from rapport_profile.store import privacy

pytestmark = pytest.mark.integration
CALLER = Operator("ada", "w", frozenset({"*"}))


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


def erasing(room: Room) -> Erasing:
    return Erasing(IDS, EVENT_KEY, RECEIPT_KEY, room=room)


async def asked(engine: AsyncEngine, room: Room, who: tuple[str, str]) -> set[Id]:
    """Let a wish hold since AT; all identifiers of whom it is about."""
    request = uuid7_text()
    async with engine.begin() as tx:
        await privacy.hold(tx)
        person = await erasing(room).find(tx, "w", who)
        ids = set(person.identifiers)
        async for one in further(tx, "w", person, room):
            ids |= set(one.identifiers)
        await wish(tx, replace(person.subject("w", request), at=AT), person)
        told: dict[str, Any] = {"id": request, "profile_id": person.profile_id}
        told |= {"actor": "ada", "reason": "request 4711"}
        told |= {"identifiers": len(ids), "at": AT, "in_portions": person.rest is not None}
        await privacy.add_request(tx, "w", told)
    return ids


def working(engine: AsyncEngine, room: Room) -> Eraser:
    """Who works it off; nobody relays or writes for search here, so neither is waited for."""
    parts = erasing(room).sweeps
    kept = [one for one in parts if not one.table.endswith(("outbox_batch", "search"))]
    return Eraser("profile", kept).over(engine)


async def page(engine: AsyncEngine, eraser: Eraser) -> bool:
    """Work off a page, after somebody who has done it has died before the commit."""
    async with engine.connect() as tx, tx.begin() as dying:
        work = await eraser.store.take(tx)
        if work is not None:
            await eraser._page(tx, work)
        await dying.rollback()
    worked = await eraser.turn()
    async with engine.begin() as tx:
        await tx.execute(text("UPDATE profile.erasure SET try_at = now()"))
        errors = await tx.execute(text("SELECT error FROM profile.erasure"))
        assert set(errors.scalars()) <= {None}
    return worked and work is not None


async def fed(engine: AsyncEngine, history: Sequence[Event]) -> list[Event]:
    """Take events in one by one; those that have to wait."""
    waits = []
    for one in history:
        try:
            await feed(engine, [one])
        except Retry:
            waits.append(one)
    return waits


@settings(max_examples=examples(15))
@given(
    told=st.tuples(
        st.lists(old, min_size=2, max_size=10),
        st.lists(old | new, max_size=6),
        st.lists(old | new, max_size=4),
    ),
    chance=st.randoms(use_true_random=False),
    who=st.sampled_from([("user_id", "A"), ("email", "e1"), ("anonymous_id", "x")]),
    room=st.builds(Room, st.integers(1, 2), st.integers(1, 2)),
)
def test_in_portions_the_same_is_left_as_at_once(
    database: str,
    told: tuple[list[Event], list[Event], list[Event]],
    chance: Random,
    who: tuple[str, str],
    room: Room,
) -> None:
    """Whatever comes between the pages, each of which is begun twice."""
    before, meanwhile, after = told

    async def run() -> None:
        engine = patient_engine(database, application="property", pool=2)
        try:
            await wipe(engine)
            await feed(engine, before)
            ids = await asked(engine, room, who)
            eraser, coming, waits = working(engine, room), list(meanwhile), list[Event]()
            busy = True
            while busy or coming:
                if coming and chance.random() < 0.2:
                    waits += await fed(engine, [coming.pop()])
                busy = await page(engine, eraser)
            async with engine.begin() as tx:
                await tx.execute(text("DELETE FROM profile.outbox_batch WHERE topic = 'privacy'"))
            shuffled = [*before, *meanwhile, *after]
            chance.shuffle(shuffled)
            assert await fed(engine, [*waits, *shuffled]) == []
            counting = left([*before, *meanwhile, *after], ids)
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


def crowd(number: int) -> list[Event]:
    """Somebody with that many devices, who is known by two user ids of which one was renamed."""
    return [
        event("u", type="identify", user_id="A", email="zoe@example.com", traits={"name": "Zoe"}),
        *(
            event(f"m{n}", user_id="A", anonymous_id=f"zoe-{n}", at=n / 1000, said={"n": n})
            for n in range(number)
        ),
        event("b", user_id="B", anonymous_id="ben", at=5),
    ]


async def records(engine: AsyncEngine, kind: str) -> list[PrivacyRecord]:
    """What profile has told of a kind on `privacy`."""
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "privacy")
    told = [msgspec.json.decode(one.value, type=PrivacyRecord) for one in rows]
    return [one for one in told if one.kind == kind]


async def read(engine: AsyncEngine, room: Room, told: Sequence[PrivacyRecord]) -> None:
    """Bring records back from the topic."""
    forgets = erasing(room)
    reader = made_eraser(forgets, Accessing(forgets))
    async with engine.begin() as tx:
        await reader.on_privacy([Record("privacy", 0, 0, b"", one) for one in told], tx)


ROOM = Room(40, 2)


async def forgotten(engine: AsyncEngine) -> Id:
    """Let a wish of now hold for a crowd of 112 identifiers; its id."""
    await feed(engine, crowd(110))
    request = uuid7_text()
    async with engine.begin() as tx:
        zoe = ("email", "zoe@example.com")
        who = await erasing(ROOM).erase(tx, CALLER, zoe, (request, "4711"))
    assert len(who.subjects) == 40
    return request


async def test_from_the_first_second_on_nobody_of_a_crowd_is_taken_in(engine: AsyncEngine) -> None:
    """Whether a portion names them by now or not: what is late waits, and is refused."""
    await forgotten(engine)
    late = [event(f"late{n}", anonymous_id=f"zoe-{n}", email="ada@example.com") for n in range(20)]
    waits = await fed(engine, late)
    assert 0 < len(waits) < len(late)
    async with engine.begin() as tx:
        assert (await read_tallies(tx, "profile"))["erased"] == len(late) - len(waits)
        ends = (("anonymous_id", "zoe-7"), ("user_id", "B"))
        with pytest.raises(Retry, match="being forgotten"):
            await Deciding(IDS).decide(tx, CALLER, "merge", ends, (uuid7_text(), "one"))
    back = replace(event("back", anonymous_id="zoe-7"), received_at=clock.now())
    eraser = working(engine, ROOM)
    assert await fed(engine, [back]) == [back], "nobody sees half a person"
    while await page(engine, eraser):
        pass
    assert await fed(engine, [*waits, back]) == []
    async with engine.begin() as tx:
        assert (await read_tallies(tx, "profile"))["erased"] == len(late)
        found = await erasing(ROOM).find(tx, "w", ("anonymous_id", "zoe-7"))
    assert len(found.identifiers) == 1, "who comes back is somebody new"
    assert await checked(engine) == NOTHING


async def test_a_crowd_goes_page_by_page_and_has_one_receipt(engine: AsyncEngine) -> None:
    request = await forgotten(engine)
    eraser, pages, apart = working(engine, ROOM), 0, False
    while await page(engine, eraser):
        pages += 1
        if not apart and (apart := await is_apart(engine, request)):
            async with engine.begin() as tx:
                links = await tx.scalar(text("SELECT count(*) FROM profile.link"))
            assert links == 1, "a page that forgets some loads no others: this is of somebody else"
    assert apart
    assert pages > 20
    wishes = await records(engine, "erase")
    assert sorted(len(one.subjects) for one in wishes) == [32, 40, 40]
    assert len({one for each in wishes for one in each.subjects}) == 112
    async with engine.begin() as tx:
        for table in ("identifier", "timeline", "profile", "link", "inbox", "outbox_batch"):
            rows = await tx.execute(text(f"SELECT CAST(t AS text) AS row FROM profile.{table} t"))
            held = " ".join(row.row for row in rows).lower()
            assert "zoe" not in held, table
            assert table != "timeline" or "ben" in held
    own = await records(engine, "receipt")
    others = [
        replace(one, service=service, rows=1, tables={f"{service}.person": 1})
        for one in own
        for service in SERVICES
        if service != "profile"
    ]
    told = [*own, *others]
    Random(7).shuffle(told)
    await read(engine, ROOM, told[:-1])
    assert (await answered(engine, request))["receipt"] is None
    await read(engine, ROOM, [told[-1], *told])
    whole = await answered(engine, request)
    assert (whole["state"], whole["identifiers"]) == ("done", 112)
    assert whole["receipt"] is not None
    rows_by = {one["service"]: one["rows"] for one in whole["services"]}
    assert rows_by["segment"] == 3
    assert rows_by["profile"] >= 111 + 112, "events and identifiers, each once"


async def is_apart(engine: AsyncEngine, request: Id) -> bool:
    """Whether all have been taken out of the person."""
    async with engine.begin() as tx:
        asked = text("SELECT after FROM profile.erasure WHERE request_id = :request")
        after = await tx.scalar(asked, {"request": request})
    return (after or "").startswith("each")


async def answered(engine: AsyncEngine, request: Id) -> dict[str, Any]:
    """A wish as it is shown."""
    async with engine.begin() as tx:
        found = await privacy.request(tx, "w", request)
        answers = (await privacy.answers(tx, "w", [request]))[request]
    return shown(found, answers, "gdpr")


async def test_a_crowd_is_told_of_in_portions_as_one_file(engine: AsyncEngine) -> None:
    room = Room(40, 2)
    await feed(engine, crowd(110))
    forgets, request = erasing(room), uuid7_text()
    accesses = Accessing(forgets)
    async with engine.begin() as tx:
        await accesses.ask(tx, CALLER, ("user_id", "A"), (request, "4710"))
    asked_for = await records(engine, "access")
    assert len(asked_for) == 3
    reader = made_eraser(forgets, accesses)
    await read(engine, room, asked_for)
    gatherer = reader.gatherer.over(engine)
    while await gatherer.turn():
        pass
    answers = [*await records(engine, "piece"), *await records(engine, "gathered")]
    silent = [
        PrivacyRecord(
            workspace="w",
            request_id=one.request_id,
            kind="gathered",
            profile_id=one.profile_id,
            subjects=[],
            at=clock.now() + timedelta(seconds=1),
            service=service,
        )
        for one in asked_for
        for service in SERVICES
        if service != "profile"
    ]
    await read(engine, room, [*answers, *silent[:-1]])
    async with engine.begin() as tx:
        assert (await accesses.shown(tx, "w", request))["state"] == "running"
    await read(engine, room, [silent[-1], *answers])
    async with engine.begin() as tx:
        found = await accesses.read(tx, CALLER, request)
    lines: list[dict[str, Any]] = [
        msgspec.json.decode(line)
        for piece in [one async for one in accesses.content(engine, "w", found)]
        for line in piece.splitlines()
    ]
    told = [one["row"] for one in lines if one["section"] == "profile.identifier" and "row" in one]
    assert len({one["value"] for one in told}) == len(told) == 112
    events = [one["row"] for one in lines if one["section"] == "profile.timeline" and "row" in one]
    assert len(events) == 111
    # Once they are forgotten, nothing of any portion can be read.
    async with engine.begin() as tx:
        await forgets.erase(tx, CALLER, ("user_id", "A"), (uuid7_text(), "4711"))
        assert await tx.scalar(text("SELECT count(*) FROM profile.access_piece")) == 0
        assert await tx.scalar(text("SELECT count(*) FROM profile.access_key")) == 0
