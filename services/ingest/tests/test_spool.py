"""Accepted is never lost: Kafka away, Postgres away, both away, and back again."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common.kafka.producer import WATCH_SECONDS, KafkaUnavailableError, Producer
from rapport_ingest import spool
from rapport_ingest.handlers.accept import Acceptor, Sending
from rapport_ingest.store import spool as store

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Gate, Ingest, Start

pytestmark = pytest.mark.integration

NOWHERE = "127.0.0.1:1"
Log = Callable[[str], Awaitable[list[dict[str, Any]]]]


def event(message_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "x", "userId": "u", "messageId": message_id, **fields}


async def where(ingest: "Ingest", message_id: str) -> str:
    answer = await ingest.client.get(f"/v1/events/{message_id}", headers=ingest.basic)
    return str(answer.json().get("status", answer.status_code))


async def test_without_kafka_events_wait_in_postgres_and_come_out_in_order(
    start: "Start", log_of: Log
) -> None:
    away = await start(kafka=NOWHERE)
    sent = [f"m-{index}" for index in range(30)]
    for first in range(0, 30, 10):
        body = {"batch": [event(one) for one in sent[first : first + 10]]}
        assert (await away.send("/v1/batch", body)).status_code == 200
    assert await where(away, "m-7") == "spooled"
    back = await start(like=away)
    ledger = await back.get("/v1/ledger")
    assert ledger["spooled_now"] == 30
    assert await log_of(away.workspace) == []

    assert await back.process.spool.drain() == 30
    assert await back.process.spool.drain() == 0
    records = await log_of(away.workspace)
    # One person, one key, one partition: the order of the log is the order of sending.
    assert [one["message_id"] for one in records] == sent
    assert await where(back, "m-7") == "accepted"
    await away.process.counting.flush()
    ledger = await back.get("/v1/ledger")
    assert (ledger["received"], ledger["accepted"], ledger["spooled"]) == (30, 30, 30)
    assert ledger["spooled_now"] == 0


def unasked(ingest: "Ingest", monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nobody may ask Kafka."""

    async def publish(*_: Any, **__: Any) -> None:
        pytest.fail("Kafka was asked")

    monkeypatch.setattr(ingest.parts.producer, "publish", publish)


async def test_after_a_failure_requests_do_not_wait_for_kafka(
    start: "Start", monkeypatch: pytest.MonkeyPatch
) -> None:
    away = await start(kafka=NOWHERE)
    assert (await away.send("/v1/track", event("1"))).status_code == 200
    # Then one asks again; for the machine's speed this is longer.
    assert away.process.spool._avoid_until > 0
    away.process.spool._avoid_until += HANG_SECONDS
    unasked(away, monkeypatch)
    for number in range(20):
        assert (await away.send("/v1/track", event(str(number)))).status_code == 200
    assert await where(away, "19") == "spooled"


async def test_a_kafka_that_does_not_answer_is_waited_for_once(
    start: "Start", monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = await start(kafka=f"127.0.0.1:{silent.getsockname()[1]}")
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await mute.send("/v1/track", event("1"))).status_code == 200
        assert loop.time() - began >= spool.ACKNOWLEDGE_SECONDS - WATCH_SECONDS
        mute.process.spool._avoid_until += HANG_SECONDS
        unasked(mute, monkeypatch)
        assert (await mute.send("/v1/track", event("2"))).status_code == 200
        assert await where(mute, "2") == "spooled"


async def test_the_worker_drains_by_itself_beside_new_traffic(start: "Start", log_of: Log) -> None:
    away = await start(kafka=NOWHERE)
    for number in range(50):
        await away.send("/v1/batch", {"batch": [event(f"{number}-{one}") for one in range(50)]})
    back = await start(like=away)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group, asyncio.timeout(HANG_SECONDS):
        group.create_task(back.process.spool.run(stop))
        for number in range(20):
            assert (await back.send("/v1/track", event(f"new-{number}"))).status_code == 200
        while (await back.get("/v1/ledger"))["spooled_now"]:
            await between_looks()
        stop.set()
    ids = [one["message_id"] for one in await log_of(away.workspace)]
    assert len(ids) == len(set(ids)) == 2520


async def test_the_version_waits_with_the_event(start: "Start") -> None:
    """Also of an event that was put aside; one of a release before has none, and gets none."""
    away = await start(kafka=NOWHERE)
    await away.send("/v1/batch", {"batch": [event("m-1"), event("m-2")]})
    async with away.parts.engine.begin() as tx:
        await tx.execute(text("UPDATE ingest.spool SET version = NULL WHERE message_id = 'm-2'"))
        rows = await store.oldest_spooled(tx, "events", 10)
        for row_id, _ in rows:
            await store.refuse(tx, row_id, "no")
        for row_id, _ in rows:
            assert await store.retry(tx, away.workspace, row_id)
        again = await store.oldest_spooled(tx, "events", 10)
    assert [one.version for _, one in again] == [2, None]
    assert [one for _, one in again] == [one for _, one in rows]


async def test_two_processes_drain_without_doubling(start: "Start", log_of: Log) -> None:
    away = await start(kafka=NOWHERE)
    for number in range(40):
        await away.send("/v1/batch", {"batch": [event(f"{number}-{one}") for one in range(100)]})
    spools = [(await start(like=away)).process.spool for _ in range(2)]

    async def drain(spool: Any) -> int:
        total = 0
        while moved := await spool.drain():
            total += moved
        return total

    assert sum(await asyncio.gather(*map(drain, spools))) == 4000
    ids = [one["message_id"] for one in await log_of(away.workspace)]
    assert len(ids) == len(set(ids)) == 4000


async def swell(ingest: "Ingest", message_id: str, size: int = 2_000_000) -> None:
    """An event in the spool that is larger than Kafka takes."""
    async with ingest.parts.engine.begin() as tx:
        await tx.execute(
            text("UPDATE ingest.spool SET value = :value WHERE message_id = :id"),
            {"value": b'{"x":"' + b"y" * size + b'"}', "id": message_id},
        )


async def test_an_event_that_kafka_refuses_stands_aside_and_the_others_go_on(
    start: "Start", log_of: Log
) -> None:
    away = await start(kafka=NOWHERE)
    good = {f"m-{number}" for number in range(20)} - {"m-3", "m-19"}
    await away.send("/v1/batch", {"batch": [event(f"m-{number}") for number in range(20)]})
    await swell(away, "m-3")
    await swell(away, "m-19")
    back = await start(like=away)
    before = (await back.get("/v1/ledger"))["spool_refused"]
    assert await back.process.spool.drain() == 20
    assert {one["message_id"] for one in await log_of(away.workspace)} == good
    ledger = await back.get("/v1/ledger")
    assert (ledger["spooled_now"], ledger["spool_refused"]) == (0, before + 2)
    first = await back.get("/v1/spool/refused?limit=1")
    second = await back.get(f"/v1/spool/refused?limit=1&cursor={first['next']}")
    assert [one["message_id"] for page in (first, second) for one in page["items"]] == [
        "m-19",
        "m-3",
    ]
    assert second["next"] is None
    assert "takes" in first["items"][0]["reason"]
    # Another workspace sees and moves nothing of it.
    stranger = back.token("ops", workspace="another")
    listed = await back.client.get("/v1/spool/refused", headers=stranger)
    assert listed.json()["items"] == []
    address = f"/v1/spool/refused/{first['items'][0]['id']}/retry"
    assert (await back.client.post(address, headers=stranger)).status_code == 404
    assert (await back.client.post(address, headers=back.token("ops"))).status_code == 200
    assert (await back.get("/v1/ledger"))["spooled_now"] == 1
    assert await back.process.spool.drain() == 1
    assert (await back.get("/v1/ledger"))["spool_refused"] == before + 2


async def test_what_is_given_up_stays_in_the_counts(start: "Start") -> None:
    """One row of two is discarded, once, and only by its own workspace."""
    away = await start(kafka=NOWHERE)
    for one in ("m-1", "m-2"):
        await away.send("/v1/track", event(one))
        await swell(away, one)
    back = await start(like=away)
    before = await back.get("/v1/ledger")
    await back.process.spool.drain()
    [newest, other] = (await back.get("/v1/spool/refused"))["items"]
    address = f"/v1/spool/refused/{newest['id']}/discard"

    async def discard(**whose: str) -> int:
        headers = back.token("ops", **whose)
        return (await back.client.post(address, headers=headers)).status_code

    assert [await discard(workspace="another"), await discard(), await discard()] == [404, 200, 404]
    assert [one["id"] for one in (await back.get("/v1/spool/refused"))["items"]] == [other["id"]]
    after = await back.get("/v1/ledger")
    names = ("spool_refused", "spool_discarded", "spooled_now", "accepted")
    assert [after[one] - before[one] for one in names] == [1, 1, -2, 0]


async def test_a_kafka_that_refuses_everything_empties_no_spool(
    start: "Start", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "REFUSED_IN_A_ROW", 3)
    away = await start(kafka=NOWHERE)
    await away.send("/v1/batch", {"batch": [event(f"m-{number}") for number in range(5)]})
    for number in range(5):
        await swell(away, f"m-{number}")
    back = await start(like=away)
    with pytest.raises(KafkaUnavailableError):
        await back.process.spool.drain()
    assert (await back.get("/v1/spool/refused"))["items"] == []
    assert (await back.get("/v1/ledger"))["spooled_now"] == 5


async def test_a_drain_that_fails_leaves_everything_where_it_is(start: "Start") -> None:
    away = await start(kafka=NOWHERE)
    await away.send("/v1/track", event("1"))
    with pytest.raises(KafkaUnavailableError):
        await away.process.spool.drain()
    assert await where(away, "1") == "spooled"
    # The worker's turn reports it as nothing drained, and goes on.
    assert await away.process.spool._turn() is False


async def test_the_spool_is_bounded(start: "Start") -> None:
    away = await start(kafka=NOWHERE, spool_limit_bytes=20_000)
    codes = []
    for number in range(40):
        answer = await away.send("/v1/track", event(str(number), properties={"x": "y" * 1000}))
        codes.append(answer.status_code)
    full = codes.index(503)
    assert 10 < full < 20
    assert set(codes[:full]) == {200}
    assert set(codes[full:]) == {503}
    async with away.parts.engine.begin() as tx:
        size = await store.spool_size(tx)
    assert size.rows == full
    assert size.bytes <= 20_000


async def test_with_both_away_the_answer_is_503_and_a_retry_completes(
    start: "Start", gate: "Gate", log_of: Log
) -> None:
    ingest = await start(database=gate.url)
    away = await start(database=gate.url, kafka=NOWHERE, like=ingest)
    assert (await away.send("/v1/track", event("0"))).status_code == 200
    await gate.shut()
    answer = await away.send("/v1/track", event("1"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "unavailable"
    assert answer.headers["access-control-allow-origin"] == "*"
    await gate.open()
    assert (await away.send("/v1/track", event("1"))).status_code == 200
    assert await where(away, "1") == "spooled"


async def test_without_postgres_known_keys_go_on_and_unknown_ones_wait(
    start: "Start", gate: "Gate", log_of: Log
) -> None:
    ingest = await start(database=gate.url)
    new = await ingest.add_source("New")
    assert (await ingest.send("/v1/track", event("1"))).status_code == 200
    await gate.shut()
    with pytest.raises((OSError, SQLAlchemyError)):
        await ingest.process.keys.check()
    assert (await ingest.send("/v1/track", event("2"))).status_code == 200
    unknown = {"X-Write-Key": new["write_key"]}
    answer = await ingest.client.post("/v1/track", json=event("3"), headers=unknown)
    assert answer.status_code == 503, "it may be a good key: the sender has to keep its event"
    ready = await ingest.client.get("/readyz")
    assert ready.status_code == 200, "Kafka alone is enough to accept"
    await gate.open()
    answer = await ingest.client.post("/v1/track", json=event("3"), headers=unknown)
    assert answer.status_code == 200
    assert {one["message_id"] for one in await log_of(ingest.workspace)} == {"1", "2", "3"}


async def test_a_frozen_postgres_is_not_noticed_by_known_keys(start: "Start", gate: "Gate") -> None:
    ingest = await start(database=gate.url)
    assert (await ingest.send("/v1/track", event("1"))).status_code == 200
    gate.freeze()
    checking = asyncio.create_task(ingest.process.keys.check())
    async with asyncio.timeout(HANG_SECONDS):
        await gate.holds.wait()
        for number in range(10):
            assert (await ingest.send("/v1/track", event(str(number)))).status_code == 200
    assert not checking.done()
    await gate.shut()
    await asyncio.gather(checking, return_exceptions=True)


async def test_a_rejected_event_that_cant_be_kept_is_not_answered_for(
    start: "Start", gate: "Gate", log_of: Log
) -> None:
    ingest = await start(database=gate.url)
    assert (await ingest.send("/v1/track", event("0"))).status_code == 200
    await gate.shut()
    batch = {"batch": [event("1"), {"messageId": "2"}]}
    answer = await ingest.send("/v1/batch", batch)
    assert answer.status_code == 503
    assert [one["message_id"] for one in await log_of(ingest.workspace)] == ["0"]
    await gate.open()
    assert (await ingest.send("/v1/batch", batch)).json()["rejected"] == 1
    kept = (await ingest.get("/v1/quarantine"))["items"]
    assert [one["message_id"] for one in kept] == ["2"]


async def test_what_is_sent_again_after_a_503_is_in_the_quarantine_once(start: "Start") -> None:
    full = await start(kafka=NOWHERE, spool_limit_bytes=1)
    batch = {"batch": [event("1"), {"type": "track"}, {"messageId": "2"}]}
    for _ in range(3):
        assert (await full.send("/v1/batch", batch)).status_code == 503
    assert (await full.get("/v1/quarantine"))["items"] == []
    room = await start(kafka=NOWHERE, like=full)
    assert (await room.send("/v1/batch", batch)).json()["rejected"] == 2
    assert len((await full.get("/v1/quarantine"))["items"]) == 2


async def test_events_that_wait_for_kafka_are_bounded(
    start: "Start", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "ACKNOWLEDGE_SECONDS", 60.0)
    events, large = 150, {"x": "y" * 18_000}
    fit = spool.MAX_IN_HAND // (events * 18_000)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = await start(kafka=f"127.0.0.1:{silent.getsockname()[1]}")
        sent = {
            asyncio.create_task(mute.send("/v1/batch", {"batch": batch}))
            for number in range(fit + 4)
            for batch in [[event(f"{number}-{one}", properties=large) for one in range(events)]]
        }
        refused: list[Any] = []
        async with asyncio.timeout(HANG_SECONDS):
            while len(refused) < 4:
                done, sent = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
                refused += [one.result() for one in done]
        for one in sent:
            one.cancel()
        await asyncio.gather(*sent, return_exceptions=True)
    # What fits under the bound waits for Kafka; the rest is told at once.
    assert len(sent) == fit
    assert {one.status_code for one in refused} == {503}
    assert {one.headers["retry-after"] for one in refused} == {"1"}
    assert {one.json()["message"] for one in refused} == {
        "Too many events wait to be stored; send the same request again."
    }


async def test_what_a_given_up_flush_holds_counts_too(
    ingest: "Ingest", monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # A property, because the producer sets it anew ten times a second.
        held = property(lambda _self: spool.MAX_IN_HAND, lambda _self, _value: None)
        patch.setattr(Producer, "abandoned", held, raising=False)
        assert (await ingest.send("/v1/track", event("1"))).status_code == 503
    assert (await ingest.send("/v1/track", event("1"))).status_code == 200


async def test_large_requests_are_judged_one_after_the_other(
    ingest: "Ingest", monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await ingest.send("/v1/track", event("0"))).status_code == 200  # the key is known
    order: list[tuple[int, int]] = []
    judge = Acceptor._slice

    def noted(self: Acceptor, sending: Sending, *rest: Any) -> None:
        order.append((len(sending.items), id(sending)))
        judge(self, sending, *rest)

    monkeypatch.setattr(Acceptor, "_slice", noted)
    large = [[event(f"{number}-{one}") for one in range(900)] for number in range(3)]
    answers = await asyncio.gather(
        *(ingest.send("/v1/batch", {"batch": batch}) for batch in large),
        ingest.send("/v1/track", event("small")),
    )
    assert {one.status_code for one in answers} == {200}
    turns = [whose for events, whose in order if events > 1]
    assert len(turns) == 3 * 5
    assert len(list(groupby(turns))) == 3
    # Others get their turn in between.
    assert [events for events, _ in order].index(1) < len(order) - 1


async def test_counts_that_cant_be_stored_are_kept_for_later(start: "Start", gate: "Gate") -> None:
    ingest = await start(database=gate.url)
    await ingest.send("/v1/track", event("1"))
    await gate.shut()
    await ingest.process.counting.try_flush()
    await ingest.send("/v1/track", event("2"))
    await gate.open()
    await ingest.process.counting.try_flush()
    await ingest.process.counting.try_flush()
    assert (await ingest.get("/v1/ledger"))["received"] == 2


async def test_nobody_to_keep_anything_is_not_ready(start: "Start", gate: "Gate") -> None:
    away = await start(database=gate.url, kafka=NOWHERE)
    assert (await away.client.get("/readyz")).status_code == 200
    await away.send("/v1/track", event("1"))
    await gate.shut()
    ready = await away.client.get("/readyz")
    assert ready.status_code == 503
    assert (await away.client.get("/healthz")).status_code == 200
