"""Feedback alone: answers and case events at fixed rates, clocks that run out beside many that run,
scores over many answers, memory. A part that fails says why, and the others go on.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import uvloop
from tests.bench import feedback_floor, feedback_load, feedback_store, overdue, paced
from tests.bench.cpu import Meter, Spent
from tests.bench.feedback_scores import scores
from tests.bench.histogram import Histogram
from tests.bench.load import in_process
from tests.bench.paced import Paced, Told
from tests.bench.place import WORKSPACE, Place, running
from tests.bench.table import Row, console

from rapport_local.credentials import operator_token
from rapport_local.paths import repository
from rapport_local.ports import HOST
from rapport_local.ui import MIB

ANSWERS, CLOCKS = 500_000, 100_000
SPLIT, WORKER = ("feedback",), "feedback-worker"
"""It serves in one process and works in another, as where many answer at once."""

CLOCKS_EACH = 2
"""A case has two, as the policy that is there has it."""

ANSWER_RATE, CASE_RATE = 500, 200
SECONDS, WARM = 10, 400
AT_MOST = 3_000
CALM = 0.6
DUE_RATE, DUE_SECONDS, AHEAD_SECONDS = 50, 10, 8
PATIENCE_SECONDS = 60.0
SURVEY, TEMPLATE = "Bench", "The template of cases"


@dataclass(frozen=True)
class Bench:
    """A place where feedback runs, with its store; `run` tells this run from others."""

    place: Place
    database: str
    survey: UUID
    template: UUID
    answers: int
    clocks: int
    run: str

    @property
    def port(self) -> int:
        """Of the API and the pages."""
        return int(self.place.stack.url("feedback").rpartition(":")[2])

    @property
    def secret(self) -> str:
        """What all keys derive from."""
        return self.place.stack.credentials().secret

    def lot(self, name: str) -> str:
        """Names of what is made for one part of this run."""
        return f"{self.run}-{name}"

    def sql(self, work: Callable[[asyncpg.Connection], Any]) -> Any:
        """Do something in the database."""
        return uvloop.run(_connected(self.database, work))

    def meter(self) -> Meter:
        """Of the processor."""
        return self.place.meter()


async def _connected(database: str, work: Callable[[asyncpg.Connection], Any]) -> Any:
    connection = await asyncpg.connect(database, server_settings=feedback_store.FAST)
    try:
        return await work(connection)
    finally:
        await connection.close()


def measure(answers: int | None = None, clocks: int | None = None) -> list[Row]:
    """Return the rows; the store of so many answers is kept for the next run."""
    many, wound = answers or ANSWERS, clocks or CLOCKS
    kept = repository() / ".bench" / f"feedback-{many}-{wound}"
    with running(("feedback",), split=SPLIT, kept=kept) as started:
        bench = _made(started, many, wound)
        return [row for name, part in PARTS.items() for row in _tried(name, part, bench)]


def _tried(name: str, part: Callable[[Bench], list[Row]], bench: Bench) -> list[Row]:
    """The rows of a part, told at once; none and the reason of one that fails."""
    console.print(f"{name} …")
    began = time.perf_counter()
    try:
        rows = part(bench)
    except Exception:  # noqa: BLE001 - whatever it is, the others go on
        console.print(f"  {name} FAILED:\n{traceback.format_exc(limit=-4)}")
        return []
    for row in rows:
        console.print("  ", *row.cells())
    console.print(f"   ({time.perf_counter() - began:.0f} s)")
    return rows


def _made(started: Place, answers: int, clocks: int) -> Bench:
    console.print(f"{answers:,} answers, {clocks:,} clocks …")
    started.put("feedback", "/v1/contact-policy", _policy(started))
    found = started.get("feedback", "/v1/surveys?limit=100")["items"]
    survey = next((one["id"] for one in found if one["name"] == SURVEY), None)
    if survey is None:
        body = {"name": SURVEY, "form": feedback_load.FORM}
        survey = started.post("feedback", "/v1/surveys", body)["id"]
        started.put("feedback", f"/v1/surveys/{survey}/follow-ups", feedback_load.FOLLOW_UPS)
    body = {"user_id": "template", "subject": TEMPLATE, "body": "It is late."}
    template = UUID(started.post("feedback", "/v1/cases", body)["id"])
    database = f"{started.postgres}/rapport"
    bench = Bench(
        started, database, UUID(survey), template, answers, clocks, f"run{time.time_ns()}"
    )
    bench.sql(lambda sql: feedback_store.fill_answers(sql, bench.survey, answers))
    bench.sql(lambda sql: _fill_clocks(sql, bench))
    return bench


def _policy(started: Place) -> dict[str, Any]:
    held = started.get("feedback", "/v1/contact-policy")["version"]
    return {**feedback_load.POLICY, "version": held}


async def _fill_clocks(sql: asyncpg.Connection, bench: Bench) -> None:
    there = await sql.fetchval(
        "SELECT count(*) FROM feedback.due WHERE workspace = $1 AND kind LIKE 'case_%'", WORKSPACE
    )
    missing = (bench.clocks - there) // CLOCKS_EACH
    if missing <= 0:
        return
    began = time.perf_counter()
    # Far off: none of these runs out while it is measured.
    far = datetime.now(UTC) + timedelta(days=300)
    await feedback_store.clone_cases(
        sql, bench.template, bench.lot("open"), missing, first_due=far, apart=1.0
    )
    await sql.execute("VACUUM ANALYZE")
    console.print(f"  {missing * CLOCKS_EACH:,} clocks in {time.perf_counter() - began:.0f} s")


def _floor(bench: Bench) -> list[Row]:
    """What the bare framework does with one row for each answer: kept for the rows that follow."""
    with feedback_floor.serving(bench.database) as port:
        sent = feedback_load.answers(bench.secret, bench.lot("floor"), 0, AT_MOST)
        in_process(paced.run, Paced(HOST, port, sent[:WARM], 0, 16))
        most = in_process(paced.run, Paced(HOST, port, sent, 0, 16))
        rate = min(ANSWER_RATE, most.rate * 0.8)
        even = in_process(paced.run, Paced(HOST, port, sent, rate))
    FLOOR.update(most=most.rate, p50=even.all.milliseconds(0.5), p99=even.all.milliseconds(0.99))
    note = f"FastAPI and one INSERT, one process; {even.all.shown()} at {rate:.0f}/s"
    return [Row("floor: answers at most", most.rate, "answers/s", "", note=note)]


FLOOR: dict[str, float] = {}


def _answers(bench: Bench) -> list[Row]:
    lot, count = bench.lot("answer"), WARM + AT_MOST + 2 * ANSWER_RATE * SECONDS
    bench.sql(lambda sql: feedback_store.invite(sql, bench.survey, lot, count))
    sent = feedback_load.answers(bench.secret, lot, 0, count)
    _paced(bench, sent[:WARM], 0, 16)
    most, spent = _metered(bench, "answers", sent[WARM : WARM + AT_MOST], 0, 16)
    note = f"16 connections; {most.all.shown()}{most.shortcomings}"
    first = Row("answers at most", most.rate, "answers/s", "500", FLOOR.get("most"), note, (spent,))
    sent = sent[WARM + AT_MOST :]
    rows = [first, *_calm("answers", bench, sent[ANSWER_RATE * SECONDS :], most.rate)]
    even = _paced(bench, sent[: ANSWER_RATE * SECONDS], ANSWER_RATE)
    return [*rows, *_at_rate("answers", even, ANSWER_RATE)]


def _cases(bench: Bench) -> list[Row]:
    lot, count, calm = bench.lot("case"), CASE_RATE * SECONDS, bench.lot("calm")
    warm = bench.lot("warm")
    for name, many in ((lot, count), (calm, count), (warm, WARM)):
        bench.sql(
            partial(feedback_store.clone_cases, template=bench.template, lot=name, count=many)
        )
    token = operator_token(bench.secret, workspace=WORKSPACE)
    most, spent = _metered(
        bench, "case events", feedback_load.case_events(token, warm, WARM), 0, 16
    )
    note = f"16 connections; {most.all.shown()}{most.shortcomings}"
    row = Row("case events at most", most.rate, "events/s", "200", note=note, spent=(spent,))
    even = _paced(bench, feedback_load.case_events(token, lot, count), CASE_RATE)
    sent = feedback_load.case_events(token, calm, count)
    rows = [row, *_calm("case events", bench, sent, most.rate)]
    rows += _at_rate("case events", even, CASE_RATE)
    for name, took in even.latencies.items():
        rows.append(Row(f"{name} of a case, p99", took.milliseconds(0.99), "ms", "50"))
    return rows


def _both(bench: Bench) -> list[Row]:
    """Both at once, each by a process of its own."""
    lot, count, events = bench.lot("both"), ANSWER_RATE * SECONDS, CASE_RATE * SECONDS
    bench.sql(lambda sql: feedback_store.invite(sql, bench.survey, lot, count))
    bench.sql(lambda sql: feedback_store.clone_cases(sql, bench.template, lot, events))
    token = operator_token(bench.secret, workspace=WORKSPACE)
    answers = feedback_load.answers(bench.secret, lot, 0, count)
    cases = feedback_load.case_events(token, lot, events)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        pages = pool.submit(paced.run, Paced(HOST, bench.port, answers, ANSWER_RATE))
        staff = pool.submit(paced.run, Paced(HOST, bench.port, cases, CASE_RATE))
        found = pages.result(), staff.result()
    rows = _at_rate("answers beside case events", found[0], ANSWER_RATE)
    return rows + _at_rate("case events beside answers", found[1], CASE_RATE)


def _calm(name: str, bench: Bench, sent: feedback_load.Requests, most: float) -> list[Row]:
    """At a rate that it can bear: beyond it how long one waits says how long the bench was."""
    rate = max(1, int(CALM * most))
    told = _paced(bench, sent[: rate * SECONDS], rate)
    return _at_rate(f"{name} at {CALM:.0%} of that", told, rate)


def _at_rate(name: str, told: Told, rate: int) -> list[Row]:
    note = f"at {rate}/s, open loop: {told.rate:.0f}/s taken{told.shortcomings}"
    took, floor = told.all, FLOOR if name.startswith("answers") else {}
    return [
        Row(f"{name}, p50", took.milliseconds(0.5), "ms", "", floor.get("p50"), note),
        Row(f"{name}, p99", took.milliseconds(0.99), "ms", "50", floor.get("p99"), note),
    ]


def _paced(bench: Bench, sent: feedback_load.Requests, rate: float, connections: int = 64) -> Told:
    return in_process(paced.run, Paced(HOST, bench.port, sent, rate, connections))


def _metered(
    bench: Bench, name: str, sent: feedback_load.Requests, rate: float, connections: int
) -> tuple[Told, Spent]:
    meter = bench.meter()
    before = meter.read()
    told = _paced(bench, sent, rate, connections)
    return told, Spent.between(name, (before, meter.read()), max(1, told.taken), told.cpu)


def _clocks(bench: Bench) -> list[Row]:
    """From a limit to its event in Kafka; then with a kill -9 in the middle."""
    rows = []
    for name, dies in (("a breach is told late", False), ("beside a kill -9", True)):
        late, count = _ran_out(bench, name, dies=dies), DUE_RATE * DUE_SECONDS
        took = Histogram.of(late.late.values())
        lost = count - len(late.late)
        note = f"{DUE_RATE}/s beside {bench.clocks:,} clocks; {lost} lost, {late.copies} doubled"
        for share, word, goal in ((0.5, "p50", ""), (0.99, "p99", "1,000"), (1, "worst", "1,000")):
            told = "" if dies else goal
            rows.append(Row(f"{name}, {word}", took.milliseconds(share), "ms", told, note=note))
    return rows


def _ran_out(bench: Bench, name: str, *, dies: bool) -> overdue.Overdue:
    lot, count = bench.lot(name), DUE_RATE * DUE_SECONDS
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        wait = AHEAD_SECONDS + DUE_SECONDS + PATIENCE_SECONDS
        watching = pool.submit(overdue.watch, bench.place.bootstrap, lot, count, wait)
        due = datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS)
        bench.sql(
            lambda sql: feedback_store.clone_cases(
                sql, bench.template, lot, count, first_due=due, apart=1 / DUE_RATE
            )
        )
        if dies:
            middle = due + timedelta(seconds=DUE_SECONDS / 2)
            time.sleep(max(0.0, (middle - datetime.now(UTC)).total_seconds()))
            killed = bench.place.stack.kill(WORKER)
            bench.place.stack.wait_component(WORKER, not_pid=killed)
        return watching.result()


def _memory(bench: Bench) -> list[Row]:
    """Of each process, and apart of the one that reads texts."""
    rows, readers = [], list[psutil.Process]()
    for name in ("feedback", WORKER):
        family = _family(bench.place.stack.pid(name))
        found = [one for one in family if "understanding" in str(one.cmdline())]
        readers += found
        own = sum(one.memory_info().rss for one in family if one not in found)
        rows.append(Row(f"memory of {name}", own / MIB, "MiB", "300"))
    if readers:
        size = sum(one.memory_info().rss for one in readers) / MIB
        rows.append(Row("memory of the reader of texts", size, "MiB", note="a process of its own"))
    return rows


def _family(pid: int) -> list[psutil.Process]:
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _ledger(bench: Bench) -> list[Row]:
    """How long its ledger takes: it is asked for by whoever watches an installation."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        bench.place.get("feedback", "/v1/ledger")
        took.append(time.perf_counter() - began)
    found = Histogram.of(took)
    note = f"first {1000 * took[0]:.0f} ms"
    return [Row("ledger, p50", found.milliseconds(0.5), "ms", "1,000", note=note)]


def _scores(bench: Bench) -> list[Row]:
    return scores(bench.place, bench.database, bench.survey, bench.answers)


PARTS = {
    "scores": _scores,
    "the floor": _floor,
    "answers": _answers,
    "case events": _cases,
    "both at once": _both,
    "memory": _memory,
    "clocks": _clocks,
    "the ledger": _ledger,
}
"""In this order: scores are asked for first, while nothing of it was read."""
