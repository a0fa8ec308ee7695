"""The jobs that send quarantined events through the front door again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.errors import UnavailableError
from rapport_common.jobs.store import Job, Step
from rapport_ingest import metrics
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.selection import QuarantineReplay
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.verdict import Result
from rapport_ingest.handlers.quarantine import Bench, Tried, reason_of, senders_of_rows
from rapport_ingest.spool import Spool
from rapport_ingest.store import quarantine

PIECE = 200
"""Rows of one transaction and one step."""

ACCEPT_SECONDS = 4.0
"""Time for a piece to be accepted; under the 5 s after which its transaction is ended."""

Accept = Callable[[Sending], Awaitable[list[Result]]]
"""The front door: `Acceptor.accept`."""

MAX_REASONS = 50
OTHER = "other"


class Pace:
    """Lets `per_second` events through on average, without a start that catches up."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._due = 0.0

    def piece(self, most: int) -> int:
        """How many at a time: at most a second's worth, so that a step keeps its job's lease."""
        return most if self._per_second is None else max(1, min(most, self._per_second))

    async def spent(self, events: int) -> None:
        """Wait until after so many events the next may go."""
        if self._per_second is None or not events:
            return
        self._due = max(self._due, time.monotonic()) + events / self._per_second
        await asyncio.sleep(self._due - time.monotonic())


@dataclass(slots=True)
class Report:
    """What a replay has to tell; goes on where its job's stored report is."""

    replayed: int = 0
    still_rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Report":
        """The report so far."""
        return cls(
            stored.get("replayed", 0),
            Counter(stored.get("still_rejected", {})),
            Counter(stored.get("skipped", {})),
        )

    def refused(self, code: str, path: str) -> None:
        """A row is still refused; the paths are the sender's, so there may be any number."""
        reason = reason_of(code, path)
        known = reason in self.still_rejected or len(self.still_rejected) < MAX_REASONS
        self.still_rejected[reason if known else OTHER] += 1

    def shown(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "replayed": self.replayed,
            "still_rejected": dict(self.still_rejected),
            "skipped": dict(self.skipped),
        }


@dataclass(slots=True)
class _Place:
    """Where a replay is: rows with `after` < id <= `upto` are left."""

    after: int
    upto: int

    def shown(self) -> dict[str, Any]:
        return {"after": self.after, "upto": self.upto}


class Replaying:
    """Replays a selection of the quarantine, a piece at a time.

    A piece is one transaction around the acceptance: its rows are locked, judged with the repair
    and their sources' present rules, the good ones are accepted, and marked once they are durable.
    A crash before its commit sends the same ids again. What is still refused stays, with its
    attempt counted and, where it was tried as it is, with the reason there is now.
    """

    def __init__(
        self, engine: AsyncEngine, spool: Spool, accept: Accept, reopener: Reopener
    ) -> None:
        self._engine = engine
        self._reopener = reopener
        self._spool = spool
        self._accept = accept

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job of kind `replay_quarantine` off; see `jobs.Work`."""
        asked = msgspec.convert(job.spec, QuarantineReplay)
        report, pace = Report.of(job.report), Pace(asked.rate)
        place, first = await self._start(job, asked, report)
        yield first
        while True:
            tried = await self._piece(job, asked, place, pace.piece(PIECE))
            if not tried:
                return
            yield _step(place, report, tried)
            await pace.spent(len(tried))

    async def _start(
        self, job: Job, asked: QuarantineReplay, report: Report
    ) -> tuple[_Place, Step]:
        """The bounds of the replay, and what a crash kept a former try from telling."""
        async with self._engine.begin() as tx:
            if "upto" not in job.position:
                total, upto = await quarantine.extent(tx, job.workspace, asked.selection)
                place = _Place(0, upto)
                return place, Step(place.shown(), 0, 0, 0, report.shown(), total)
            place = msgspec.convert(job.position, _Place)
            untold = await quarantine.handled(tx, job.workspace, job.id, after=place.after)
        for row, replayed, code, path in untold:
            place.after = row
            if replayed:
                report.replayed += 1
            else:
                report.refused(code, path)
        good = sum(one[1] for one in untold)
        return place, Step(place.shown(), len(untold), good, len(untold) - good, report.shown())

    async def _piece(
        self, job: Job, asked: QuarantineReplay, place: _Place, limit: int
    ) -> list[Tried]:
        """Try the next rows; [] at the end. UnavailableError: nothing of it counts, go on later."""
        if self._spool.avoids_kafka:
            # The spool is for what comes in now; the quarantine is kept as well where it is.
            raise UnavailableError("Kafka is away; the replay goes on when it is back.")
        async with self._engine.begin() as tx:
            rows = await quarantine.take(
                tx,
                job.workspace,
                asked.selection,
                job=job.id,
                after=place.after,
                upto=place.upto,
                limit=limit,
            )
            if not rows:
                return []
            senders = await senders_of_rows(tx, job.workspace, rows)
            bench = Bench(asked.transforms, senders, self._reopener)
            tried = [bench.try_row(one) for one in rows]
            tried = await self._accepted([one for one in tried if one.passes], senders, tried)
            await _mark(tx, job, tried, as_it_is=not asked.transforms)
        place.after = rows[-1].id
        return tried

    async def _accepted(
        self, good: Sequence[Tried], senders: dict[str, Sender], tried: Sequence[Tried]
    ) -> list[Tried]:
        """Make the good ones durable; `tried` with the last word on them."""
        groups: dict[tuple[Any, ...], list[Tried]] = {}
        for one in good:
            row = one.row
            came = (row.dialect, row.received_at, row.sent_at, row.trust, row.historic)
            what = (row.source, row.type, *came)
            groups.setdefault(what, []).append(one)
        try:
            async with asyncio.timeout(ACCEPT_SECONDS):
                answers = await asyncio.gather(
                    *(self._accept(_sending(senders, one)) for one in groups.values()),
                    return_exceptions=True,
                )
        except TimeoutError as error:
            message = "The events were not accepted in time; the replay tries them again."
            raise UnavailableError(message) from error
        refused: dict[int, Tried] = {}
        for group, results in zip(groups.values(), answers, strict=True):
            if isinstance(results, BaseException):
                raise results
            for one, result in zip(group, results, strict=True):
                if result.status != "accepted":
                    refused[one.row.id] = Tried(one.row, skipped=f"not_accepted_{result.status}")
        return [refused.get(one.row.id, one) for one in tried]


def _sending(senders: dict[str, Sender], group: Sequence[Tried]) -> Sending:
    """The rows of one request as they came: with its times, its type and their message ids."""
    row = group[0].row
    return Sending(
        senders[row.source],
        [one.raw for one in group],
        row.kind,
        row.received_at,
        row.sent_at,
        dialect=row.dialect,
        ids=[one.spare for one in group],
        sequences=[one.row.sequence for one in group],
        trust=row.trust,
        historic=row.historic,
    )


async def _mark(tx: AsyncConnection, job: Job, tried: Sequence[Tried], *, as_it_is: bool) -> None:
    good = [one.row.id for one in tried if one.passes]
    await quarantine.mark_replayed(tx, job.workspace, job.id, good)
    failed = []
    for one in tried:
        if one.passes:
            continue
        row, refusal = one.row, one.refusal
        if refusal is not None and as_it_is:
            failed.append((row.id, refusal.code, refusal.path, refusal.reason))
        else:
            # The row is as it was, and so is the reason why it can't be accepted like this.
            failed.append((row.id, row.code, row.path, row.reason))
    await quarantine.mark_failed(tx, job.workspace, job.id, failed)


def _step(place: _Place, report: Report, tried: Sequence[Tried]) -> Step:
    good = sum(one.passes for one in tried)
    report.replayed += good
    for one in tried:
        if one.skipped is not None:
            report.skipped[one.skipped] += 1
        elif one.refusal is not None:
            report.refused(one.refusal.code, one.refusal.path)
    metrics.QUARANTINE_REPLAYED.inc(good)
    metrics.QUARANTINE_STILL_REJECTED.inc(len(tried) - good)
    return Step(place.shown(), len(tried), good, len(tried) - good, report.shown())
