"""Replay from the log: the same records once more, bounded, resumable, and chosen exactly."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from services.ingest.tests.driving import HOLDER, Death, drive, post, stored

from rapport_common import clock
from rapport_common.errors import ConflictError
from rapport_common.events.topics import EVENTS
from rapport_common.jobs.store import Step
from rapport_ingest.domain.selection import LogSelection
from rapport_ingest.handlers.republishing import Chooser, _pieces, _Place
from rapport_ingest.store.jobs import JOBS

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration

Log = Callable[[str], Awaitable[list[dict[str, Any]]]]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(message_id: str, **fields: Any) -> dict[str, Any]:
    made = {"type": "track", "event": "x", "userId": f"u-{message_id}", "messageId": message_id}
    return {**made, **fields}


async def send(ingest: "Ingest", *events: dict[str, Any]) -> None:
    assert (await ingest.send("/v1/batch", {"batch": list(events)})).status_code == 200


async def replay(ingest: "Ingest", *, dry_run: bool = False, **selection: Any) -> str:
    path = f"/v1/replays/topic?dry_run={dry_run}"
    return str((await post(ingest, path, {"selection": selection}))["id"])


Found = tuple[int, bytes, bytes, tuple[tuple[str, bytes], ...]]


async def records(kafka: str, workspace: str) -> list[Found]:
    """(partition, key, value, headers) of all records of a workspace."""
    consumer = AIOKafkaConsumer(EVENTS.name, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    found = []
    try:
        ends = await consumer.end_offsets(sorted(consumer.assignment()))
        left = {one for one, end in ends.items() if end}
        while left:
            for one, batch in (await consumer.getmany(timeout_ms=500)).items():
                found += [(one.partition, each.key, each.value, each.headers) for each in batch]
                if batch[-1].offset + 1 >= ends[one]:
                    left.discard(one)
    finally:
        await consumer.stop()
    return [one for one in found if workspace.encode() in one[2]]


async def test_the_same_records_are_published_once_more(
    ingest: "Ingest", kafka_bootstrap: str
) -> None:
    since = clock.iso(clock.now())
    await send(ingest, *(event(str(index)) for index in range(20)))
    await ingest.process.counting.flush()
    before = await ingest.get("/v1/ledger")
    job = await drive(ingest, await replay(ingest, since=since))
    assert (job.state, job.accepted, job.rejected) == ("done", 20, 0)
    assert job.done == job.total
    assert job.report == {"selected": 20, "replayed": 20, "lost": 0}
    found = Counter(await records(kafka_bootstrap, ingest.workspace))
    # Same partition, same key, same bytes, same headers.
    assert (len(found), set(found.values())) == (20, {2})
    assert all(("record", b"events/2") in headers for *_, headers in found)
    after = await ingest.get("/v1/ledger")
    # A replay is no receipt: accepted <= records of `events` + spooled goes on to hold.
    assert after["accepted"] == before["accepted"]
    assert after["topic"]["end_offsets_total"] >= before["topic"]["end_offsets_total"] + 20


def raw(offset: int, *headers: tuple[str, bytes | None]) -> Any:
    value = b'{"workspace": "w", "source": "s", "message_id": "1"}'
    made: Any = ConsumerRecord(EVENTS.name, 0, offset, 0, 0, b"k", value, None, 1, 1, headers)
    return made


def test_a_record_goes_on_as_what_it_was() -> None:
    """Of before, of today, of a newer release; one that says nothing readable is nobody's."""
    told = [
        *(raw(0), raw(1, ("record", b"events/1")), raw(2, ("record", b"events/7"))),
        *(raw(3, ("record", b"what")), raw(4, ("record", None))),
        raw(5, ("traceparent", b"no trace")),
    ]
    place = _Place({0: 0}, {0: 6})
    chooser = Chooser("w", LogSelection(message_ids=frozenset({"1"})))
    (piece,) = _pieces({TopicPartition(EVENTS.name, 0): told}, place, chooser, 100)
    assert [one.version for one in piece.outgoing] == [None, 1, 7, None]
    assert {(one.traceparent, one.value, one.key) for one in piece.outgoing} == {
        (None, told[0].value, b"k")
    }
    assert (piece.read, place.open()) == (6, set())


async def test_only_what_was_chosen(ingest: "Ingest", log_of: Log) -> None:
    other = await ingest.add_source("Other")
    since = clock.iso(clock.now())  # the log is the whole run's: from here on it is ours
    await send(ingest, event("1"), event("2", event="y"), event("3", userId="u"))
    key = {"Authorization": f"Bearer {other['write_key']}"}
    assert (await ingest.client.post("/v1/track", json=event("4"), headers=key)).status_code == 200
    for selection, chosen in (
        ({"source": other["id"], "since": since}, {"4"}),
        ({"event": "y", "since": since}, {"2"}),
        ({"user_id": "u", "since": since}, {"3"}),
        ({"message_ids": ["1", "4", "none"], "since": since}, {"1", "4"}),
        ({"until": "2020-01-01T00:00:00Z"}, set()),
        ({"since": "2999-01-01T00:00:00Z"}, set()),
        ({"since": "0001-01-01T00:00:00Z", "until": "9999-01-01T00:00:00Z"}, set("1234")),
    ):
        job = await drive(ingest, await replay(ingest, dry_run=True, **selection))
        assert job.report == {"selected": len(chosen), "replayed": 0, "lost": 0}, selection
    assert len(await log_of(ingest.workspace)) == 4
    job = await drive(ingest, await replay(ingest, event="y", since=since))
    assert job.accepted == 1
    log = Counter(one["message_id"] for one in await log_of(ingest.workspace))
    assert log == {"1": 1, "2": 2, "3": 1, "4": 1}


async def test_a_crash_goes_on_from_the_position_and_to_the_bound_of_the_start(
    ingest: "Ingest", log_of: Log
) -> None:
    # The log is the whole run's: from here on it is ours.
    since = clock.iso(clock.now())
    await send(ingest, *(event(str(index)) for index in range(12)))
    body = {"rate": 5, "selection": {"since": since}}
    name = (await post(ingest, "/v1/replays/topic", body))["id"]
    death = Death(2)
    half = await drive(ingest, name, death=death)
    assert death.untold is not None
    # A piece has 5 at most, and fewer when Kafka gives fewer.
    again = death.untold.accepted
    assert (1 <= half.accepted <= 5, 1 <= again <= 5) == (True, True)
    # Comes after the start: the replay does not see it.
    await send(ingest, event("late"))
    done = await drive(ingest, name)
    assert (done.accepted, done.done) == (12, done.total)
    log = Counter(one["message_id"] for one in await log_of(ingest.workspace))
    assert log.pop("late") == 1
    # The piece whose step was not told was published a third time: the same ids.
    assert set(log) == {str(index) for index in range(12)}
    assert Counter(log.values()) == Counter({2: 12 - again, 3: again})


async def test_a_topic_made_anew_ends_the_replay(ingest: "Ingest") -> None:
    await send(ingest, event("1"))
    name = await replay(ingest)
    await drive(ingest, name, death=Death())
    job = await stored(ingest, name)
    ends = dict.fromkeys(job.position["ends"], 10**9)
    async with ingest.parts.engine.begin() as tx:
        moved = Step({**job.position, "ends": ends}, 0, 0, 0, job.report)
        assert await JOBS.advance(tx, job, HOLDER, moved)
    with pytest.raises(ConflictError, match="made anew"):
        await drive(ingest, name)


def test_log_time_is_a_half_open_window() -> None:
    asked = LogSelection(since=NOON, until=NOON + timedelta(seconds=1))
    chooser = Chooser("w", asked)
    value = b'{"workspace":"w","source":"s","message_id":"1"}'
    noon = int(NOON.timestamp() * 1000)
    found = [chooser.takes(value, noon + offset) for offset in (-1, 0, 999, 1000)]
    assert found == [False, True, True, False]


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"workspace":"w"}', b"\xff"])
def test_what_is_no_event_is_nobodys(value: bytes | None) -> None:
    assert not Chooser("w", LogSelection()).takes(value, 0)


@given(st.lists(st.integers(0, 30)))
def test_a_place_never_goes_back_nor_over_its_end(offsets: list[int]) -> None:
    place = _Place({0: 5}, {0: 20})
    moved = sum(place.move(0, one) for one in offsets)
    assert place.next[0] == 5 + moved == min(20, max([5, *offsets]))
    assert (0 in place.open()) == (place.next[0] < 20)
