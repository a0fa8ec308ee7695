"""Imports at work: the rows of a file, through the same door as all other events."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError, UnavailableError
from rapport_common.files.rows import Place
from rapport_common.jobs.store import Job, Step
from rapport_ingest import metrics
from rapport_ingest.domain.event import MAX_EVENT_BYTES, Origin, judge
from rapport_ingest.domain.imports import ImportSpec
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.planned import breach
from rapport_ingest.domain.rows import Entry
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.totals import Tally
from rapport_ingest.domain.verdict import Refusal, Result
from rapport_ingest.handlers.accept import Acceptor
from rapport_ingest.handlers.places import Source, granted
from rapport_ingest.handlers.readers.frames import Assignment, Store
from rapport_ingest.handlers.readers.process import Reading, reading
from rapport_ingest.handlers.senders import senders_of
from rapport_ingest.handlers.uploads import Uploads
from rapport_ingest.settings import IngestSettings
from rapport_ingest.spool import Spool

BATCH = 500
PIECE = 50
"""So many rows are tried at a time: a few milliseconds in which others may have to wait."""

BATCH_BYTES = 4 * 2**20
BATCH_ROWS = 5000
"""An event may be made of many rows: a step is held to the pace, and must not last."""

MAX_ERRORS = 100
MAX_PREVIEW = 3
MAX_REASON = 300


@dataclass(slots=True)
class Report:
    """What an import has to tell, kept with its position."""

    events: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    preview: list[Any] = field(default_factory=list)
    bytes: int = 0
    total_bytes: int = 0
    rows_per_second: float = 0.0
    bytes_per_second: float = 0.0
    checks: dict[str, Any] = field(default_factory=dict)
    refused: int = 0
    refused_bytes: int = 0

    def refuse(self, entry: Entry, code: str, path: str, reason: str) -> None:
        """Note a refused entry; the first hundred with all that is known."""
        self.refused += 1
        self.refused_bytes += min(len(entry.item), MAX_EVENT_BYTES)
        self.codes[code] = self.codes.get(code, 0) + entry.size
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(
                {"row": entry.first, "code": code, "path": path, "message": reason[:MAX_REASON]}
            )


@dataclass(slots=True)
class _Run:
    """One import between its start, or its resumption, and its end."""

    job: Job
    spec: ImportSpec
    sender: Sender
    file: Reading
    report: Report


class Importing:
    """The work of the jobs of kind `import`."""

    def __init__(
        self,
        engine: AsyncEngine,
        acceptor: Acceptor,
        spool: Spool,
        uploads: Uploads,
        settings: IngestSettings,
    ) -> None:
        self._engine = engine
        self._acceptor = acceptor
        self._spool = spool
        self._uploads = uploads
        self._settings = settings

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Send the rows batch by batch; each step is behind what is durable.

        UnavailableError while Kafka is away: an import does not fill the spool of the living.
        """
        async with self._opened(job) as run:
            limit = run.spec.options.limit if run.spec.dry_run else None
            left = limit - job.done if limit is not None else None
            while left is None or left > 0:
                began = time.monotonic()
                batch = await self._batch(run, left)
                if not batch and run.file.ended:
                    break
                results = await self._judged(run, batch) if batch else []
                yield self._step(run, batch, results, time.monotonic() - began)
                self._require_some_good(run)
                rows = sum(entry.size for entry in batch)
                left = left - rows if left is not None else None
                await self._pace(rows, began)

    @asynccontextmanager
    async def _opened(self, job: Job) -> AsyncIterator[_Run]:
        spec = msgspec.convert(job.spec, ImportSpec)
        self._check_kafka(spec)
        sender = await self._sender(Caller(job.workspace, spec.source), spec)
        assignment = await asyncio.to_thread(self._assignment, job, spec)
        async with reading(assignment) as file:
            report = msgspec.convert(job.report, Report) if job.report else Report()
            report.total_bytes = file.opened.size
            yield _Run(job, spec, sender, file, report)

    def _assignment(self, job: Job, spec: ImportSpec) -> Assignment:
        """What the child is to read. What is granted may have changed since the job was made."""
        settings = self._settings
        place = job.position.get("place", ())
        source = (
            granted(spec.uri, job.workspace, settings)
            if spec.uri is not None
            else Source(self._uploaded(job.id))
        )
        return Assignment(
            spec=spec,
            job=job.id,
            path=source.path,
            memory=settings.import_memory_bytes,
            unpacked=settings.import_unpacked_bytes,
            store=_store(settings) if source.in_s3 else None,
            place=Place(*place),
            tally=msgspec.convert(job.position.get("tally", {}), Tally),
            checked=bool(job.report.get("checks")),
            fingerprint=job.position.get("fingerprint"),
        )

    def _uploaded(self, job: str) -> str:
        path = self._uploads.path(job).resolve()
        if not path.exists():
            message = (
                "The uploaded file is not in this process's data folder. Replicas of ingest share "
                "RAPPORT_DATA_FOLDER, or import from S3."
            )
            raise InvalidRequestError(message, code="no_file")
        return str(path)

    async def _sender(self, caller: Caller, spec: ImportSpec) -> Sender:
        async with self._engine.begin() as tx:
            found = (await senders_of(tx, [caller])).get(caller)
        if found is None:
            raise InvalidRequestError(f"There is no source '{caller.source}' any more.")
        policy = msgspec.structs.replace(found.policy, provenance=spec.provenance)
        return replace(found, policy=policy)

    async def _batch(self, run: _Run, left: int | None) -> list[Entry]:
        """The next entries, at most `left` rows or so."""
        wanted = BATCH if left is None else min(BATCH, left)
        batch: list[Entry] = []
        size = rows = 0
        while len(batch) < wanted and size < BATCH_BYTES and rows < BATCH_ROWS:
            piece = await run.file.take(wanted - len(batch))
            if not piece:
                break
            batch += piece
            size += sum(len(entry.item) for entry in piece)
            rows += sum(entry.size for entry in piece)
        return batch

    async def _judged(self, run: _Run, batch: list[Entry]) -> list[Result]:
        sending = Sending(
            sender=run.sender,
            items=[entry.item for entry in batch],
            kind=None,
            # The same in each attempt: what is sent again must be the same event.
            received_at=run.job.created_at,
            refusals={i: entry.refusal for i, entry in enumerate(batch) if entry.refusal},
            ids=[entry.id for entry in batch],
            places=[entry.rows for entry in batch],
            sequences=[entry.first for entry in batch],
            historic=run.spec.historic,
        )
        if run.spec.dry_run:
            return await self._tried(run, sending)
        self._check_kafka(run.spec)
        return await self._acceptor.accept(sending)

    def _check_kafka(self, spec: ImportSpec) -> None:
        if self._spool.avoids_kafka and not spec.dry_run:
            raise UnavailableError("Kafka is away; the import goes on when it is back.")

    async def _tried(self, run: _Run, sending: Sending) -> list[Result]:
        """What would become of the events; nothing is sent, kept or counted."""
        clock = SenderClock(None, sending.received_at)
        origin = Origin(run.sender, clock, marks=sending.marks)
        results = []
        for index in range(len(sending.items)):
            results.append(self._try(run, sending, index, origin))
            if index % PIECE == 0:
                await asyncio.sleep(0)
        return results

    def _try(self, run: _Run, sending: Sending, index: int, origin: Origin) -> Result:
        spare = sending.ids[index] if sending.ids else ""
        known = sending.refusals.get(index)
        judged = known or judge(sending.items[index], None, origin, spare, sending.sequence(index))
        if not isinstance(judged, Refusal):
            event, fields = judged
            broken = breach(run.sender, event, fields)
            refused = broken.refusal(event) if broken is not None else None
            if refused is None:
                if len(run.report.preview) < MAX_PREVIEW:
                    run.report.preview.append({**fields, "messageId": event.message_id})
                return Result(event.message_id, "accepted")
            judged = refused
        return Result(judged.message_id, "rejected", judged.code, judged.reason, judged.path)

    def _require_some_good(self, run: _Run) -> None:
        """InvalidRequestError when more is refused than the quarantine should keep of one file."""
        report, most = run.report, self._settings.import_refused_rows
        size, most_bytes = report.refused_bytes, self._settings.import_refused_bytes
        if run.spec.dry_run or (report.refused <= most and size <= most_bytes):
            return
        why = ", ".join(f"{count} {code}" for code, count in report.codes.items())
        first = report.errors[0]
        message = (
            f"Given up in row {run.file.place.rows}: {report.refused} events of {size} bytes were "
            f"refused, and {most} of {most_bytes} bytes are the most that is kept of one import "
            f"(rows: {why}). The first is row {first['row']}: {first['message']} Mend the file or "
            "its mapping, try it with dry_run, and import it again; the same rows are the same "
            "events."
        )
        raise InvalidRequestError(message, code="too_many_refused")

    def _step(self, run: _Run, batch: list[Entry], results: list[Result], seconds: float) -> Step:
        report, accepted, rejected = run.report, 0, 0
        for entry, result in zip(batch, results, strict=True):
            if result.status == "rejected":
                rejected += entry.size
                report.refuse(entry, result.code or "", result.path or "", result.message or "")
            else:
                accepted += entry.size
                report.events += 1
        if not run.spec.dry_run:
            metrics.IMPORT_ROWS.labels("accepted").inc(accepted)
            metrics.IMPORT_ROWS.labels("rejected").inc(rejected)
        _measure(run, accepted + rejected, seconds)
        report.checks = run.file.checks or report.checks
        position: dict[str, Any] = {
            "place": run.file.place,
            "fingerprint": run.file.opened.fingerprint,
        }
        if not report.checks and run.file.tally.lines:
            position["tally"] = msgspec.to_builtins(run.file.tally)
        return Step(
            position,
            accepted + rejected,
            accepted,
            rejected,
            msgspec.to_builtins(report),
            run.file.opened.total,
        )

    async def _pace(self, rows: int, began: float) -> None:
        """Let the others have the processor: as long as the batch took, and to the set pace."""
        took = time.monotonic() - began
        await asyncio.sleep(max(took / 2, rows / self._settings.import_rows_per_second - took))


def _store(settings: IngestSettings) -> Store:
    secret = settings.s3_secret_key
    return Store(
        endpoint=settings.s3_endpoint or "",
        region=settings.s3_region,
        access_key=settings.s3_access_key or "",
        secret_key=secret.get_secret_value() if secret else "",
    )


def _measure(run: _Run, rows: int, seconds: float) -> None:
    """How far it is in the file, and how fast it is lately."""
    report = run.report
    before, report.bytes = report.bytes, run.file.read
    for name, amount in (("rows_per_second", rows), ("bytes_per_second", report.bytes - before)):
        now = amount / max(seconds, 1e-6)
        last = getattr(report, name) or now
        setattr(report, name, round(0.9 * last + 0.1 * now, 1))
