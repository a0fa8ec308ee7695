"""Campaign alone: planning for everybody in a segment, and sending to a local sink from two worker
processes, beside the floor of the same mails; then from an event to its mail beside a broadcast.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import uvloop
from tests.bench import mail_floor, mail_sink, place, recipients
from tests.bench.beside import RATE, Beside
from tests.bench.cpu import Meter, Spent
from tests.bench.mail_sink import Sink
from tests.bench.place import Place
from tests.bench.table import Row, console

from rapport_local.ports import HOST, Ports
from rapport_local.ui import MIB

PEOPLE = 100_000
FLOOR = 40_000
PATIENCE_SECONDS = 1800.0
LOOK_SECONDS = 0.1
NAMES = ("campaign-worker", "campaign-worker-2")


def measure(people: int | None = None, rate: int | None = None) -> list[Row]:
    """Return the rows; `people` are the recipients, `rate` the events a second beside them."""
    count = people or PEOPLE
    with mail_sink.running() as sink:
        env = {"campaign": {"RAPPORT_SMTP_PORT": str(sink.port)}}
        with (
            place.running(("campaign",), split=("campaign",), service_env=env) as started,
            _second(started) as second,
        ):
            rows = _broadcast(started, sink, second, count)
            meter, url = _meter(started, sink, second), f"{started.postgres}/rapport"
            return (
                rows
                + _signatures()
                + Beside(started, sink, meter, _until, rate or RATE).rows(url, count)
            )


def _broadcast(
    started: Place, sink: Sink, second: subprocess.Popen[bytes], count: int
) -> list[Row]:
    url = f"{started.postgres}/rapport"
    console.print(f"{count:,} people …")
    uvloop.run(recipients.fill(url, count))
    campaign = _draft(started)
    began = time.perf_counter()
    job = started.post("campaign", f"/v1/campaigns/{campaign}/start", {})["job_id"]
    started.post("campaign", f"/v1/campaigns/{campaign}/pause", {})
    _until(lambda: started.get("campaign", f"/v1/jobs/{job}")["state"] == "done")
    planned = time.perf_counter() - began
    rows = [Row("planning a campaign", count / planned, "rows/s", "50,000")]
    counts = started.get("campaign", f"/v1/campaigns/{campaign}")["counts"]
    console.print(f"planned: {counts}")
    meter = _meter(started, sink, second)
    before, waiting = meter.read(), counts["planned"]
    began = time.perf_counter()
    started.post("campaign", f"/v1/campaigns/{campaign}/resume", {})
    peak = [0, 0]
    pids = (started.stack.pid("campaign-worker"), second.pid)

    def is_over() -> bool:
        peak[:] = [max(one, _share(pid)) for one, pid in zip(peak, pids, strict=True)]
        return not started.get("campaign", f"/v1/campaigns/{campaign}")["counts"]["planned"]

    _until(is_over)
    _until(lambda: not started.get("campaign", f"/v1/campaigns/{campaign}")["counts"]["sending"])
    seconds = time.perf_counter() - began
    spent = Spent.between("broadcast", (before, meter.read()), waiting, 0.0)
    counts = started.get("campaign", f"/v1/campaigns/{campaign}")["counts"]
    floor_mails = min(FLOOR, 4 * count)
    floor, micros = mail_floor.rate(url, sink.port, floor_mails, len(NAMES))
    note = f"{counts['sent']:,} sent, {sink.taken - floor_mails:,} in the sink; two workers"
    rows.append(
        Row("personalised mails", waiting / seconds, "mails/s", "8,000", floor, note, (spent,))
    )
    own = sum(spent.micros.get(name, 0.0) for name in NAMES)
    rows.append(
        Row("processor of a mail", own, "µs", "", micros, "of the workers, without Postgres")
    )
    rows += [
        Row(f"memory of {name}", one / MIB, "MiB", "150", note="PSS, with its renderers")
        for name, one in zip(NAMES, peak, strict=True)
    ]
    return rows


def _signatures() -> list[Row]:
    cores = os.cpu_count() or 1
    return [
        Row(f"signing a mail, {name}", one, "µs", note=f"{cores * 1e6 / one:,.0f}/s of all cores")
        for name, one in mail_floor.signatures()
    ]


def _share(pid: int) -> int:
    """Proportional set size of a process and its children: a page that three have is a third."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_full_info().pss for one in family)
    except psutil.Error:
        return 0


def _draft(started: Place) -> str:
    body = {
        "name": "Weekly",
        "segment_id": recipients.SEGMENT,
        **recipients.SAID,
        "html": recipients.HTML,
        "text": recipients.TEXT,
        "allow_old_events": True,
        "include_existing": True,
    }
    return str(started.post("campaign", "/v1/campaigns", body)["id"])


@contextmanager
def _second(started: Place) -> Iterator[subprocess.Popen[bytes]]:
    """A second worker process, as a second replica is."""
    config = started.stack.config
    env = config.environment("campaign-worker", started.stack.credentials())
    port = Ports.free().smtp
    env |= {"RAPPORT_METRICS_PORT": str(port), "RAPPORT_REPLICA": "1"}
    process = subprocess.Popen([*config.command("campaign"), "run"], env={**os.environ, **env})
    try:
        # What it takes to start is nothing that a mail costs.
        _until(lambda: _answers(port))
        yield process
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _meter(started: Place, sink: Sink, second: subprocess.Popen[bytes]) -> Meter:
    pids: dict[str, tuple[int, ...]] = {
        name: (started.stack.pid(name),) for name in (*started.stack.config.processes, "postgres")
    }
    return Meter({**pids, "campaign-worker-2": (second.pid,), "sink": (sink.process.pid or 0,)})


def _until(is_so: Any) -> None:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not is_so():
        if time.perf_counter() > deadline:
            message = "it does not end"
            raise TimeoutError(message)
        time.sleep(LOOK_SECONDS)
