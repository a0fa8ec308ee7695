"""A key that keeps failing waits in order, the others go on; and the world's faults park nobody."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libs.common.tests.parked_log import (
    TOPIC,
    Faults,
    KilledError,
    Log,
    Member,
    applied,
    dead,
    empty,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.db import IDLE_SECONDS, create_engine
from rapport_common.errors import InvalidEvent
from rapport_common.events.topics import SEGMENT_MEMBERSHIP
from rapport_common.kafka import batch
from rapport_common.kafka.batch import ConsumerStoppedError, Record, UnsettledError
from rapport_common.kafka.parking import ParkedKey
from rapport_common.kafka.part import MAX_SUSPECTS
from rapport_common.testing.examples import examples

pytestmark = pytest.mark.integration
FOR_EVER = 10**9


@pytest.fixture
async def faults(engine: AsyncEngine) -> Faults:
    await empty(engine)
    return Faults()


async def member(engine: AsyncEngine, faults: Faults) -> Member:
    made = Member(engine, faults)
    await made.begin()
    return made


@pytest.mark.parametrize("first", ["bad first", "bad in the middle", "bad last"])
async def test_a_key_that_keeps_failing_is_parked_and_heals_in_its_order(
    engine: AsyncEngine, faults: Faults, first: str
) -> None:
    log, one = Log(), await member(engine, faults)
    good = "acegikmoqs" * 3
    cut = {"bad first": 0, "bad in the middle": 15, "bad last": 30}[first]
    log.add(f"{good[:cut]}xx{good[cut:]}bd")
    faults.passing["x"] = FOR_EVER
    assert await one.read(log)
    assert await one.parked() == {"x": 2}
    others = {key: offsets for key, offsets in log.lanes().items() if key != "x"}
    assert await applied(engine) == others
    # Later records of the key wait behind it, whoever reads them.
    log.add("xaxb")
    assert await (await member(engine, faults)).read(log)
    assert await one.parked() == {"x": 4}
    assert "x" not in await applied(engine)
    # The fault has passed: the same member goes on without it.
    faults.passing.clear()
    await one.heal()
    assert await one.parked() == {}
    await one.begin()
    log.add("x")
    assert await one.read(log)
    assert await applied(engine) == log.lanes()


async def test_a_record_applied_from_the_parking_is_met_by_a_member_that_thinks_it_parked(
    engine: AsyncEngine, faults: Faults
) -> None:
    log, one = Log(), await member(engine, faults)
    log.add("xac")
    faults.passing["x"] = FOR_EVER
    assert await one.read(log)
    faults.passing.clear()
    await (await member(engine, faults)).heal()
    log.add("xx")
    assert await one.read(log)
    assert await applied(engine) == log.lanes()
    assert await one.parked() == {}


@pytest.mark.parametrize("keys", ["x", "xa", "abcdefghijklmnopqrstuvwxyz" * 4])
async def test_while_everything_fails_nothing_is_parked(
    engine: AsyncEngine, faults: Faults, keys: str
) -> None:
    log, one = Log(), await member(engine, faults)
    log.add(keys)
    faults.everything = True
    assert not await one.read(log, rounds=5)
    assert faults.calls < 500
    assert await one.parked() == {}
    faults.everything = False
    assert await one.read(log)
    assert await one.parked() == {}
    assert await applied(engine) == log.lanes()


async def test_a_database_that_is_away_halves_nothing_and_parks_nobody(
    engine: AsyncEngine, faults: Faults
) -> None:
    log, one = Log(), await member(engine, faults)
    log.add("abcdef")
    faults.away = 20
    assert await one.read(log)
    assert faults.calls == 21
    assert one.waits[:8] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert await one.parked() == {}


async def test_many_bad_keys_side_by_side_are_found_each(
    engine: AsyncEngine, faults: Faults
) -> None:
    log, one = Log(), await member(engine, faults)
    bad = "xyzw"
    assert len(bad) < MAX_SUSPECTS
    log.add(f"{bad}ab{bad}cd" * 3)
    for key in bad:
        faults.passing[key] = FOR_EVER
    assert await one.read(log)
    assert await one.parked() == dict.fromkeys(bad, 6)
    assert set(await applied(engine)) == set("abcd")


async def test_alone_in_sight_a_key_parks_only_after_long_patience(
    engine: AsyncEngine, faults: Faults
) -> None:
    log, one = Log(), await member(engine, faults)
    log.add("xxx")
    faults.passing["x"] = FOR_EVER
    assert not await one.read(log, rounds=10)
    assert await one.parked() == {}
    clock = iter(range(100, 10**6, 20))
    one.batches.now = lambda: float(next(clock))
    assert await one.read(log, rounds=10)
    assert await one.parked() == {"x": 3}
    # That was on credit: the next one waits until something has succeeded.
    log.add("yyy")
    faults.passing["y"] = FOR_EVER
    assert not await one.read(log, rounds=30)
    log.add("a")
    assert await one.read(log, rounds=30)
    assert await one.parked() == {"x": 3, "y": 3}


async def test_retries_are_no_sign_of_life_for_ever(engine: AsyncEngine, faults: Faults) -> None:
    log, one = Log(), await member(engine, faults)
    log.add("a")
    signs: list[float] = []
    now = iter(range(0, 10**6, 1))
    one.batches.now = lambda: float(next(now))
    one.batches.give_sign = lambda: signs.append(1)
    faults.away = 200
    assert await one.read(log)
    # The database answers all the while: this is a hang, and the watchdog has to see it.
    assert 10 < len(signs) < 100


class Costly:
    """Takes more time between two statements for one key than the server allows."""

    def __init__(self, key: str, seconds: float) -> None:
        self.key = key
        self.seconds = seconds
        self.done: list[str] = []

    async def __call__(self, records: Sequence[Record], tx: AsyncConnection) -> None:
        await tx.exec_driver_sql("SELECT 1")
        until = time.perf_counter() + self.seconds * any(
            one.key.decode() == self.key for one in records
        )
        while time.perf_counter() < until:
            pass
        for one in records:
            await tx.execute(
                text('INSERT INTO applied (key, "offset") VALUES (:key, :offset)'),
                {"key": one.key.decode(), "offset": one.offset},
            )


async def test_what_the_server_ends_for_its_silence_is_halved_and_parked(
    engine: AsyncEngine, database_url: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "IDLE_SECONDS", 0.3)
    session = {"search_path": "segment", "idle_in_transaction_session_timeout": "300"}
    impatient = create_engine(database_url, application="tests", pool=2, settings=session)
    try:
        one = Member(impatient, faults)
        costly = Costly("x", 0.8)
        one.batches.handlers = {SEGMENT_MEMBERSHIP.name: costly}
        one.batches.now = time.monotonic
        await one.begin()
        log = Log()
        log.add("abxcd")
        assert await one.read(log, rounds=3)
        assert await one.parked() == {"x": 1}
        assert set(await applied(engine)) == set("abcd")
        # And the try of the parked key postpones it, instead of coming back at once for ever.
        await one.heal()
        async with engine.begin() as tx:
            (parked,) = await one.batches.parking.keys(tx, limit=2)
        assert parked.attempts == 1
    finally:
        await impatient.dispose()


async def test_how_many_at_once_take_too_long_is_remembered(
    engine: AsyncEngine, faults: Faults
) -> None:
    """What the server ends is done for nothing: not again with each batch."""
    ended: list[int] = []

    async def handle(records: Sequence[Record], tx: AsyncConnection) -> None:
        if len(records) > 5:
            ended.append(len(records))
            raise ConnectionResetError
        await faults(records, tx)

    log, one = Log(), await member(engine, faults)
    one.batches.handlers = {SEGMENT_MEMBERSHIP.name: handle}
    ticks = itertools.count()
    one.batches.now = lambda: next(ticks) * IDLE_SECONDS
    log.add("abcdefghijklmnop" * 4)
    assert not await one.read(log, most=16)
    assert ended == [16, 8]
    assert not await one.read(log, most=16)
    assert ended == [16, 8]
    assert await one.read(log, most=16, rounds=2)
    assert ended == [16, 8, 6], "a few more were tried"
    assert await applied(engine) == log.lanes()


async def test_poison_among_the_parked_goes_to_the_dead_letters(
    engine: AsyncEngine, faults: Faults
) -> None:
    log, one = Log(), await member(engine, faults)
    log.add("xaxbxc")
    faults.passing["x"] = FOR_EVER
    assert await one.read(log)
    faults.passing.clear()
    faults.poison = {"x"}
    await one.heal()
    assert await one.parked() == {}
    assert await dead(engine) == {"x": log.lanes()["x"]}


async def test_what_stops_the_consumer_takes_nothing_out_of_the_parking(
    engine: AsyncEngine, faults: Faults
) -> None:
    """It is no fault of the records: they wait until the operator has mended it."""
    log, one = Log(), await member(engine, faults)
    log.add("xaxbxc")
    faults.passing["x"] = FOR_EVER
    assert await one.read(log)
    held = await one.parked()
    faults.error = ConsumerStoppedError
    (key,) = await parked_keys(one)
    outcome = await one.unparker.apply(key.id)
    assert (outcome.applied, outcome.buried, outcome.error) == (0, 0, "ConsumerStoppedError")
    assert await one.parked() == held
    assert await dead(engine) == {}
    faults.passing.clear()
    await one.heal()
    assert await applied(engine) == log.lanes()


async def parked_keys(one: Member) -> list[ParkedKey]:
    async with one.engine.begin() as tx:
        return list(await one.batches.parking.keys(tx, limit=9))


async def test_a_handler_that_names_a_record_it_was_not_given_is_bisected(
    engine: AsyncEngine, faults: Faults
) -> None:
    log, one = Log(), await member(engine, faults)

    async def confused(records: Sequence[Record], tx: AsyncConnection) -> None:
        if any(record.key == b"x" for record in records):
            raise InvalidEvent(len(records) + 5, "which?")
        await faults(records, tx)

    one.batches.handlers = {TOPIC: confused}
    log.add("abxcd")
    assert await one.read(log)
    assert set(await dead(engine)) == {"x"}
    assert set(await applied(engine)) == set("abcd")


KEYS = "abcdef"
PLANS = st.fixed_dictionaries(
    {
        "records": st.lists(st.text(KEYS, min_size=1, max_size=8), min_size=1, max_size=4),
        "passing": st.dictionaries(st.sampled_from(KEYS), st.integers(1, 12) | st.just(FOR_EVER)),
        "poison": st.sets(st.sampled_from(KEYS), max_size=2),
        "named": st.sets(st.sampled_from(KEYS), max_size=2),
        "away": st.integers(0, 3),
        "kills": st.sets(st.integers(2, 60), max_size=4),
        "most": st.sampled_from([1, 3, 1000]),
        "tries": st.lists(st.booleans(), min_size=4, max_size=4),
    }
)


@settings(max_examples=examples(15))
@given(plan=PLANS)
def test_whatever_fails_each_key_keeps_its_order_and_nothing_is_lost_or_doubled(
    plan: dict[str, Any], engine: AsyncEngine, database_url: str
) -> None:
    assert engine  # the tables are there
    # A loop of its own needs a thread of its own.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _played(plan, database_url)).result()


async def _played(plan: dict[str, Any], database_url: str) -> None:
    path = {"search_path": "segment"}
    engine = create_engine(database_url, application="property", pool=2, settings=path)
    try:
        await _play(plan, engine)
    finally:
        await engine.dispose()


async def _play(plan: dict[str, Any], engine: AsyncEngine) -> None:
    await empty(engine)
    faults = Faults(
        passing=Counter(plan["passing"]),
        poison=set(plan["poison"]),
        named=set(plan["named"]),
        away=plan["away"],
        kills=set(plan["kills"]),
    )
    log = Log()
    for keys, tries in zip(plan["records"], plan["tries"], strict=False):
        log.add(keys)
        one = Member(engine, faults)
        with suppress(KilledError):
            await one.begin()
            await one.read(log, most=plan["most"], rounds=4)
            if tries:
                await one.heal()
    faults.passing.clear()
    faults.kills.clear()
    one = Member(engine, faults)
    await one.begin()
    assert await one.read(log, rounds=20)
    await one.heal()
    assert await one.parked() == {}
    done, aside = await applied(engine), await dead(engine)
    assert all(offsets == sorted(offsets) for offsets in done.values())
    together = {key: sorted(done.get(key, []) + aside.get(key, [])) for key in {*done, *aside}}
    assert together == log.lanes()


async def test_killed_after_the_commit_and_before_it_knows(
    engine: AsyncEngine, faults: Faults
) -> None:
    log, one = Log(), await member(engine, faults)
    log.add("xaxb")
    faults.passing["x"] = FOR_EVER

    def killed() -> None:
        raise KilledError

    one.batches.give_sign = killed
    with suppress(KilledError, UnsettledError):
        await one.batches.settle(TOPIC, log.after(one.positions), one.positions)
    again = await member(engine, faults)
    assert await again.read(log, rounds=3)
    assert await again.parked() == {"x": 2}
    faults.passing.clear()
    await again.heal()
    assert await applied(engine) == log.lanes()
