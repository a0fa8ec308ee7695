"""From an event to its mail, beside a broadcast: entries into a segment, told over Kafka at a fixed
rate, each of which calls for a mail; and how quickly a broadcast is planned.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import uvloop
from tests.bench import recipients
from tests.bench.cpu import Spent
from tests.bench.histogram import Histogram
from tests.bench.mail_sink import MOST_TIMED
from tests.bench.place import WORKSPACE, Place
from tests.bench.table import Row, console

from rapport_common.events.membership import Membership
from rapport_common.events.topics import SEGMENT_MEMBERSHIP
from rapport_common.kafka.producer import Outgoing, Producer

if TYPE_CHECKING:
    from tests.bench.cpu import Meter
    from tests.bench.mail_sink import Sink

RATE, SECONDS = 200, 20
GRACE_SECONDS = 30.0
LATE_SECONDS = 3600 * 24


@dataclass(frozen=True)
class Beside:
    """Where it is measured, with so many events a second; `until` waits."""

    started: Place
    sink: Sink
    meter: Meter
    until: Any
    rate: int

    def rows(self, url: str, count: int) -> list[Row]:
        """Plan a broadcast for so many people; plan another, and tell of entries while it goes."""
        broadcast, planned = self._planned(throttle={"at_most": 1, "per": "hour"})
        self._cancelled(broadcast, count)
        rows = [Row("planning a broadcast", planned, "rows/s", "50,000", note="one worker at it")]
        uvloop.run(_people(url, self.rate * SECONDS))
        self._triggered()
        broadcast, _ = self._planned()
        before, began = self.meter.read(), time.perf_counter()
        told = uvloop.run(_tell(self.started.bootstrap, self.rate))
        self.until(lambda: self._arrived(told) == len(told) or _since(began) > GRACE_SECONDS)
        spent = Spent.between("triggers", (before, self.meter.read()), len(told), 0.0)
        left = self._counts(broadcast)["planned"]
        took = Histogram.of(
            self.sink.at(number) - at for number, at in told.items() if self.sink.at(number)
        )
        missing = len(told) - self._arrived(told)
        note = f"{self.rate} a second beside a broadcast"
        note += f", of which {left:,} are left" if left else ", which ended before"
        note += f"; {missing:,} never came" if missing else ""
        with suppress(httpx.HTTPStatusError):
            # A conflict: it has ended.
            self.started.post("campaign", f"/v1/broadcasts/{broadcast}/cancel", {})
        return [
            *rows,
            Row("event to mail, p50", took.milliseconds(0.5), "ms", note=note),
            Row("event to mail, p99", took.milliseconds(0.99), "ms", "1,000", spent=(spent,)),
        ]

    def _planned(self, **more: Any) -> tuple[str, float]:
        """A broadcast that is planned, and how many rows a second that were."""
        body = {
            "name": "To all",
            "audience": {"any": [recipients.SEGMENT]},
            **{name: recipients.SAID[name] for name in ("purpose", "from_address", "subject")},
            "html": recipients.HTML,
            "text": recipients.TEXT,
            "lateness_seconds": LATE_SECONDS,
            **more,
        }
        broadcast = str(self.started.post("campaign", "/v1/broadcasts", body)["id"])
        before = {one["id"] for one in self._jobs()}
        self.started.post("campaign", f"/v1/broadcasts/{broadcast}/schedule", {})
        found: list[dict[str, Any]] = []

        def is_planned() -> bool:
            found[:] = [one for one in self._jobs() if one["id"] not in before]
            return bool(found) and found[0]["state"] == "done"

        self.until(is_planned)
        [job] = found
        began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
        return broadcast, job["done"] / (ended - began).total_seconds()

    def _cancelled(self, broadcast: str, count: int) -> None:
        self.started.post("campaign", f"/v1/broadcasts/{broadcast}/cancel", {})
        self.until(lambda: self._counts(broadcast)["suppressed"] >= count - 2)

    def _counts(self, broadcast: str) -> dict[str, Any]:
        return dict(self.started.get("campaign", f"/v1/broadcasts/{broadcast}")["counts"])

    def _jobs(self) -> list[dict[str, Any]]:
        found = self.started.get("campaign", "/v1/jobs")["items"]
        return [one for one in found if one["kind"] == "broadcast"]

    def _triggered(self) -> None:
        body = {
            **recipients.SAID,
            "name": "Welcome",
            "segment_id": recipients.TRIGGER,
            "html": recipients.HTML,
            "text": recipients.TEXT,
        }
        campaign = self.started.post("campaign", "/v1/campaigns", body)["id"]
        self.started.post("campaign", f"/v1/campaigns/{campaign}/start", {})

    def _arrived(self, told: dict[int, float]) -> int:
        return sum(self.sink.at(number) > 0 for number in told)


def _since(began: float) -> float:
    return time.perf_counter() - began


async def _people(url: str, count: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await recipients.fill_triggered(connection, count)
    finally:
        await connection.close()


async def _tell(bootstrap: str, rate: int) -> dict[int, float]:
    """Tell of each entry when it is its time, and when that was (monotonic), by its number."""
    assert rate * SECONDS <= MOST_TIMED
    producer = Producer("segment", bootstrap, [SEGMENT_MEMBERSHIP], compression=None)
    await producer.start()
    told: dict[int, float] = {}
    sending: set[asyncio.Task[None]] = set()
    try:
        await producer.publish([_entry(0)])
        began = time.monotonic()
        for number in range(1, rate * SECONDS):
            at = began + number / rate
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            # The planned moment counts: waiting is part of the time.
            told[number] = at
            sending.add(asyncio.create_task(producer.publish([_entry(number)])))
        await asyncio.gather(*sending)
    finally:
        await producer.stop()
    console.print(f"told of {len(told):,} entries")
    return told


def _entry(number: int) -> Outgoing:
    now = datetime.now(UTC)
    record = Membership(
        workspace=WORKSPACE,
        profile_id=f"{recipients.TIMED}{number:0{recipients.DIGITS}}",
        profile_version=1,
        segment_id=recipients.TRIGGER,
        segment_version=1,
        entry_id=f"t{number}",
        change="entered",
        at=now,
        cause="event",
        reason="",
        event_timestamp=now,
    )
    return Outgoing.of(SEGMENT_MEMBERSHIP, record)
