"""Repair and replay of the quarantine: nothing lost, nothing new twice, and the counts add up."""

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from services.ingest.tests.driving import Death, drive, post, repair, stored
from sqlalchemy import text
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common.errors import UnavailableError
from rapport_common.jobs.worker import Jobs
from rapport_common.testing.examples import examples
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.verdict import Result
from rapport_ingest.handlers.planning import Planning
from rapport_ingest.handlers.replaying import Pace, Replaying, Report

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest, Start

pytestmark = pytest.mark.integration

Log = Callable[[str], Awaitable[list[dict[str, Any]]]]
DROP_USER = {"op": "drop", "path": "userId"}
SENT = "2026-03-01T10:00:00Z"


class CrashError(Exception):
    """The process ends here."""


def good(message_id: str | None, **fields: Any) -> dict[str, Any]:
    made = {"type": "track", "event": "Order Paid", "anonymousId": "a", **fields}
    return made if message_id is None else {**made, "messageId": message_id}


def bad(message_id: str | None, **fields: Any) -> dict[str, Any]:
    """An event whose user id is no text; without it there is the anonymous id."""
    return good(message_id, userId=["u"], **fields)


async def send(ingest: "Ingest", *events: dict[str, Any], **fields: Any) -> None:
    answer = await ingest.send("/v1/batch", {"batch": list(events), **fields})
    assert answer.status_code == 200, answer.text


async def rows(ingest: "Ingest", state: str = "open") -> list[dict[str, Any]]:
    found = await ingest.get(f"/v1/quarantine?limit=1000&state={state}")
    return list(found["items"])


async def balance(ingest: "Ingest") -> dict[str, int]:
    [found] = (await ingest.get("/v1/quarantine/balance"))["items"]
    return {key: value for key, value in found.items() if key != "source"}


async def counts(ingest: "Ingest") -> dict[str, int]:
    await ingest.built.cases.counting.flush()
    [found] = (await ingest.get("/v1/sources"))["items"]
    assert found["events"]["received"] == found["events"]["accepted"] + found["events"]["rejected"]
    return dict(found["events"])


def replaying(ingest: "Ingest", accept: Callable[[Sending], Awaitable[list[Result]]]) -> Replaying:
    return Replaying(ingest.process.engine, ingest.built.cases.spool, accept, Reopener())


def dying_after_acceptance(ingest: "Ingest") -> Replaying:
    """A process that ends when the events are durable, and before their rows are marked."""

    async def accept(sending: Sending) -> list[Result]:
        await ingest.built.app._acceptor.accept(sending)
        raise CrashError

    return replaying(ingest, accept)


async def test_a_repaired_event_is_what_it_would_have_been(ingest: "Ingest", log_of: Log) -> None:
    stated = {"timestamp": "2026-03-01T09:59:00Z"}
    await send(ingest, good("fine", **stated), bad("broken", **stated), sentAt=SENT)
    answer = await ingest.send("/v1/identify", {"userId": ["u"], "anonymousId": "a"})
    assert answer.status_code == 400
    unnamed = answer.json()["details"]["message_id"]

    job = await drive(ingest, await repair(ingest, DROP_USER))
    assert (job.state, job.total, job.done, job.accepted, job.rejected) == ("done", 2, 2, 2, 0)
    assert job.report == {"replayed": 2, "still_rejected": {}, "skipped": {}}
    log = {one["message_id"]: one for one in await log_of(ingest.workspace)}
    # The same clock correction as for the event that came with it.
    assert {**log["broken"], "message_id": "fine", "sequence": 0} == log["fine"] | {"sequence": 0}
    assert log["broken"]["sequence"] == 1
    # The address said the type; the id is the one that was answered.
    assert log[unnamed]["type"] == "identify"

    assert await rows(ingest) == []
    resolved = await rows(ingest, "resolved")
    assert {(one["resolution"], one["handled_by"], one["attempts"]) for one in resolved} == {
        ("replayed", job.id, 1)
    }
    where = await ingest.client.get("/v1/events/broken", headers=ingest.basic)
    assert where.json()["status"] == "accepted"


async def test_what_is_still_bad_stays_one_row_with_the_reason_of_today(ingest: "Ingest") -> None:
    await send(ingest, bad("b"), good("g", traits=[0]), good("ok"))
    for attempt in (1, 2):
        job = await drive(ingest, await repair(ingest))
        assert (job.done, job.accepted, job.rejected) == (2, 0, 2)
        assert job.report["still_rejected"] == {"invalid_type userId": 1, "invalid_type traits": 1}
        assert [one["attempts"] for one in await rows(ingest)] == [attempt, attempt]
    # A repair that does not help leaves the reason of the event as it is.
    job = await drive(ingest, await repair(ingest, DROP_USER, code="invalid_type", path="traits"))
    assert job.report["still_rejected"] == {"invalid_type traits": 1}
    assert {one["message_id"]: one["path"] for one in await rows(ingest)} == {
        "b": "userId",
        "g": "traits",
    }
    assert await counts(ingest) == {"received": 3, "accepted": 1, "rejected": 2, "spooled": 0}


async def test_a_plain_replay_accepts_what_the_policy_allows_by_now(
    ingest: "Ingest", log_of: Log
) -> None:
    await send(ingest, bad("b"))
    async with ingest.process.engine.begin() as tx:
        await tx.execute(
            text(
                "UPDATE ingest.source SET revision = revision + 1, policy = CAST(:policy AS jsonb) "
                "WHERE workspace = :workspace"
            ),
            {
                "policy": '{"transforms": [{"op": "drop", "path": "userId"}]}',
                "workspace": ingest.workspace,
            },
        )
    assert (await drive(ingest, await repair(ingest))).accepted == 1
    assert [one["message_id"] for one in await log_of(ingest.workspace)] == ["b"]


async def test_what_a_plan_rejects_is_repaired_by_a_cast_and_tried_without_a_trace(
    ingest: "Ingest", log_of: Log
) -> None:
    planned = {"name": "Order Paid", "schema": {"properties": {"total": {"type": "number"}}}}
    path, token = f"/v1/sources/{ingest.source}/plan", ingest.token("sources:write")
    answer = await ingest.client.put(path, json={"events": [planned]}, headers=token)
    assert answer.status_code == 200, answer.text
    async with ingest.process.engine.begin() as tx:
        await tx.execute(
            text("UPDATE ingest.source SET policy = CAST(:policy AS jsonb) WHERE workspace = :w"),
            {"policy": '{"plan": {"violations": "reject"}}', "w": ingest.workspace},
        )
    await send(ingest, good("1", properties={"total": "12.5"}))
    job = await drive(ingest, await repair(ingest))
    assert (job.accepted, job.rejected) == (0, 1)
    [row] = await rows(ingest)
    assert (row["path"], row["attempts"]) == ("properties.total", 1)
    [planning] = [one for one in ingest.process.in_each_role if isinstance(one, Planning)]
    assert [one.events for one in planning._pending.values()] == [1]

    cast = {"op": "cast", "path": "properties.total", "type": "number"}
    assert (await drive(ingest, await repair(ingest, cast))).accepted == 1
    [record] = await log_of(ingest.workspace)
    assert record["properties"] == {"total": 12.5}
    assert await counts(ingest) == {"received": 2, "accepted": 1, "rejected": 1, "spooled": 0}


async def test_what_cant_be_judged_is_skipped_with_the_reason_and_kept(ingest: "Ingest") -> None:
    large = bad("large", properties={"text": "x" * 40_000})
    body = b'{"batch": [{"messageId": "nan", "properties": {"n": NaN}}, "text"]}'
    await send(ingest, large)
    assert (await ingest.send("/v1/batch", body)).status_code == 200
    job = await drive(ingest, await repair(ingest, DROP_USER))
    assert (job.accepted, job.rejected) == (0, 3)
    assert job.report["skipped"] == {"truncated": 1, "invalid_json": 1, "not_an_object": 1}
    kept = {one["code"]: one["attempts"] for one in await rows(ingest)}
    assert kept == {"event_too_large": 1, "invalid_json": 1, "not_an_object": 1}


async def test_a_source_in_test_mode_keeps_its_rows(ingest: "Ingest", log_of: Log) -> None:
    await send(ingest, bad("b"))
    async with ingest.process.engine.begin() as tx:
        await tx.execute(
            text("UPDATE ingest.source SET policy = '{\"test_mode\": true}' WHERE workspace = :w"),
            {"w": ingest.workspace},
        )
    job = await drive(ingest, await repair(ingest, DROP_USER))
    assert job.report["skipped"] == {"source_in_test_mode": 1}
    assert len(await rows(ingest)) == 1
    assert await log_of(ingest.workspace) == []


async def test_a_crash_between_acceptance_and_mark_sends_the_same_ids_again(
    ingest: "Ingest", log_of: Log
) -> None:
    await send(ingest, *(bad(f"m-{index}") for index in range(5)), bad(None))
    job = await repair(ingest, DROP_USER)
    with pytest.raises(CrashError):
        await drive(ingest, job, work=dying_after_acceptance(ingest).work)
    assert len(await rows(ingest)) == 6
    done = await drive(ingest, job)
    assert (done.total, done.done, done.accepted) == (6, 6, 6)
    assert await rows(ingest) == []
    copies: dict[str, list[Any]] = defaultdict(list)
    for one in await log_of(ingest.workspace):
        copies[one["message_id"]].append(one)
    assert len(copies) == 6
    assert all(len(one) == 2 and one[0] == one[1] for one in copies.values())
    found = await counts(ingest)
    assert (found["accepted"], found["rejected"]) == (12, 6)


async def test_a_crash_before_the_step_is_told_is_made_up_for(
    ingest: "Ingest", log_of: Log
) -> None:
    await send(ingest, *(bad(f"m-{index}") for index in range(3)), good("t", traits=[0]))
    job = await repair(ingest, DROP_USER)
    half = await drive(ingest, job, death=Death())
    assert (half.done, half.accepted) == (0, 0)
    done = await drive(ingest, job)
    assert (done.total, done.done, done.accepted, done.rejected) == (4, 4, 3, 1)
    assert done.report["replayed"] == 3
    assert done.report["still_rejected"] == {"invalid_type traits": 1}
    assert len(await log_of(ingest.workspace)) == 3
    assert [one["attempts"] for one in await rows(ingest)] == [1]


async def test_without_kafka_a_replay_waits_and_leaves_the_spool_to_what_comes_in(
    start: "Start",
) -> None:
    away = await start(kafka="127.0.0.1:1")
    await send(away, bad("b"), good("g"))
    assert away.built.cases.spool.avoids_kafka
    job = await repair(away, DROP_USER)
    with pytest.raises(UnavailableError):
        await drive(away, job, waits=False)
    assert len(await rows(away)) == 1
    async with away.process.engine.begin() as tx:
        assert (await away.built.cases.spool.size(tx)).rows == 1


async def test_the_process_works_jobs_off_at_the_rate_that_was_asked_for(start: "Start") -> None:
    ingest = await start()
    await send(ingest, *(bad(f"m-{index}") for index in range(30)))
    body = {"transforms": [DROP_USER], "rate": 20}
    job = (await post(ingest, "/v1/quarantine/repair", body))["id"]
    [runner] = [one for one in ingest.process.workers if isinstance(one, Jobs)]
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    async with asyncio.timeout(HANG_SECONDS):
        while (found := await stored(ingest, job)).state != "done":
            await between_looks()
    stop.set()
    await running
    assert found.started_at is not None
    assert found.finished_at is not None
    assert found.finished_at - found.started_at >= timedelta(seconds=1.4)
    assert (found.done, found.accepted) == (30, 30)


async def test_a_rate_is_kept_and_never_made_up_for() -> None:
    pace = Pace(100)
    assert (pace.piece(500), Pace(None).piece(500)) == (100, 500)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(3):
        await pace.spent(5)
    assert loop.time() - began >= 0.15


def test_a_report_names_so_many_reasons_and_no_more() -> None:
    report = Report()
    for index in range(60):
        report.refused("invalid_type", f"properties.{index}")
    assert len(report.still_rejected) == 51
    assert report.still_rejected["other"] == 10
    assert Report.of(report.shown()) == report


async def test_counts_reconcile_before_and_after(start: "Start", log_of: Log) -> None:
    ingest = await start()
    await send(ingest, *(good(f"g-{index}") for index in range(7)))
    await send(ingest, *(bad(f"b-{index}") for index in range(5)), good("x", traits=[0]))
    await send(ingest, bad("b-0"))
    assert await balance(ingest) == {
        **dict.fromkeys(("replayed", "discarded", "expired"), 0),
        **dict.fromkeys(("rejected", "open", "kept"), 7),
    }
    job = await drive(ingest, await repair(ingest, DROP_USER))
    assert (job.accepted, job.rejected) == (6, 1)
    await post(ingest, "/v1/quarantine/discard", {"selection": {"path": "traits"}}, 200)
    found = await balance(ingest)
    assert found == {
        "rejected": 7, "open": 0, "replayed": 6, "discarded": 1, "expired": 0, "kept": 7
    }  # fmt: skip
    assert await counts(ingest) == {"received": 20, "accepted": 13, "rejected": 7, "spooled": 0}
    async with ingest.process.engine.begin() as tx:
        await tx.execute(
            text("UPDATE ingest.quarantine SET resolved_at = resolved_at - interval '8 days'")
        )
    [retention] = [one for one in ingest.process.workers if one.name == "retention"]
    assert await retention.enforce() == 7  # type: ignore[attr-defined] # the worker by its name
    found = await balance(ingest)
    assert (found["rejected"], found["expired"], found["kept"]) == (7, 7, 7)
    ids = Counter(one["message_id"] for one in await log_of(ingest.workspace))
    # b-0 was sent twice, and was refused twice.
    assert (len(ids), sum(ids.values())) == (12, 13)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["good", "bad"]), st.sampled_from(["1", "2", "3"])),
        st.tuples(
            st.sampled_from(["unnamed", "replay", "repair", "die", "untold", "discard-nothing"]),
            st.just(""),
        ),
    ),
    min_size=3,
    max_size=10,
)


@given(OPERATIONS)
@settings(
    max_examples=examples(12),
    phases=[Phase.explicit, Phase.generate],  # a smaller example takes minutes to find
)
async def test_any_order_of_sending_repairing_and_crashing_ends_well(
    ingest: "Ingest", log_of: Log, operations: list[tuple[str, str]]
) -> None:
    """Every id that was ever sent is in the log, and every refused event in one resolved row."""
    ingest.workspace = f"w-{uuid.uuid4().hex[:8]}"
    made = await ingest.add_source("Shop")
    ingest.key, ingest.source = made["write_key"], made["id"]
    sent, refused, unfinished = set(), 0, []
    for what, message_id in operations:
        match what:
            case "good":
                await send(ingest, good(message_id))
                sent.add(message_id)
            case "bad" | "unnamed":
                await send(ingest, bad(message_id or None))
                sent |= {message_id} - {""}
                refused += 1
            case "die":
                unfinished.append(await repair(ingest, DROP_USER))
                with suppress(CrashError):
                    await drive(ingest, unfinished[-1], work=dying_after_acceptance(ingest).work)
            case "untold":
                unfinished.append(await repair(ingest, DROP_USER))
                await drive(ingest, unfinished[-1], death=Death())
            case "replay" | "repair":
                await drive(ingest, await repair(ingest, *[DROP_USER][: what == "repair"]))
            case _:
                body = {"selection": {"code": "none"}}
                await post(ingest, "/v1/quarantine/discard", body, 200)
    for job in [*unfinished, await repair(ingest, DROP_USER)]:
        done = await drive(ingest, job)
        # What another job has resolved meanwhile is not this one's.
        assert done.accepted == done.done <= (done.total or 0)
    log = await log_of(ingest.workspace)
    unnamed = sum(what == "unnamed" for what, _ in operations)
    ids = {one["message_id"] for one in log}
    assert ids >= sent
    # No replay makes an id: each event without one has the one it was answered with.
    assert len(ids) == len(sent) + unnamed
    assert await rows(ingest) == []
    if operations_that_send(operations):
        found, shown = await counts(ingest), await balance(ingest)
        assert found["rejected"] == shown["kept"] == shown["replayed"] == refused
        assert found["accepted"] == len(log)


def operations_that_send(operations: list[tuple[str, str]]) -> bool:
    return any(what in {"good", "bad", "unnamed"} for what, _ in operations)
