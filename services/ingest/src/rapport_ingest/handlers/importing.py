"""Imports at work: the rows of a file, through the same door as all other events."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError, UnavailableError
from rapport_common.jobs.store import Job, Step
from rapport_ingest import metrics
from rapport_ingest.domain.event import Origin, judge
from rapport_ingest.domain.imports import ImportSpec, mapping_for
from rapport_ingest.domain.mapping import Mapper
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.planned import breach
from rapport_ingest.domain.presets import preparing
from rapport_ingest.domain.rows import Composer, Entry, Place
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.totals import Totals
from rapport_ingest.domain.verdict import Refusal, Result
from rapport_ingest.handlers.accept import Acceptor, Sending
from rapport_ingest.handlers.places import Found, open_path, open_uri
from rapport_ingest.handlers.readers import Reader, reader_for
from rapport_ingest.handlers.readers.separated import SeparatedReader
from rapport_ingest.handlers.senders import senders_of
from rapport_ingest.handlers.uploads import Uploads
from rapport_ingest.settings import IngestSettings
from rapport_ingest.spool import Spool

BATCH = 500
PIECE = 50
"""So many rows are read at a time: a few milliseconds in which others may have to wait."""

PIECE_BYTES = 2**20
BATCH_BYTES = 4 * 2**20
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

    def refuse(self, entry: Entry, code: str, path: str, reason: str) -> None:
        """Note a refused entry; the first hundred with all that is known."""
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
    found: Found
    reader: Reader
    entries: Iterator[Entry]
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
                if not batch:
                    break
                results = await self._judged(run, batch)
                yield self._step(run, batch, results, time.monotonic() - began)
                rows = sum(entry.size for entry in batch)
                left = left - rows if left is not None else None
                await self._pace(rows, began)

    @asynccontextmanager
    async def _opened(self, job: Job) -> AsyncIterator[_Run]:
        spec = msgspec.convert(job.spec, ImportSpec)
        sender = await self._sender(Caller(job.workspace, spec.source), spec)
        found = await asyncio.to_thread(self._open, job, spec)
        try:
            known = job.position.get("fingerprint", found.fingerprint)
            if known != found.fingerprint:
                message = "The file was changed while it was being imported; import it again."
                raise InvalidRequestError(message, code="file_changed")
            reader = await asyncio.to_thread(reader_for, spec, found.file)
            report = msgspec.convert(job.report, Report) if job.report else Report()
            report.total_bytes = found.size
            if isinstance(reader, SeparatedReader) and reader.mark and not job.done:
                report.checks = await self._checked(spec, reader)
            rows = reader.rows(Place(*job.position.get("place", ())))
            entries = _composer(job, spec).entries(rows)
            yield _Run(job, spec, sender, found, reader, entries, report)
        finally:
            await asyncio.to_thread(found.file.close)

    def _open(self, job: Job, spec: ImportSpec) -> Found:
        if spec.uri is not None:
            return open_uri(spec.uri, self._settings)
        path = self._uploads.path(job.id)
        if not path.exists():
            message = (
                "The uploaded file is not in this process's data folder. Replicas of ingest share "
                "RAPPORT_DATA_FOLDER, or import from S3."
            )
            raise InvalidRequestError(message, code="no_file")
        return open_path(path)

    async def _sender(self, caller: Caller, spec: ImportSpec) -> Sender:
        async with self._engine.begin() as tx:
            found = (await senders_of(tx, [caller])).get(caller)
        if found is None:
            raise InvalidRequestError(f"There is no source '{caller.source}' any more.")
        policy = msgspec.structs.replace(found.policy, provenance=spec.provenance)
        return replace(found, policy=policy)

    async def _checked(self, spec: ImportSpec, reader: SeparatedReader) -> dict[str, Any]:
        """Read the file once before anything is sent, if its last line says what must be in it."""
        totals = Totals(spec.options.decimals)
        rows = reader.rows(Place())
        while piece := await asyncio.to_thread(lambda: list(islice(rows, PIECE))):
            for row in piece:
                totals.add(row)
            await asyncio.sleep(0)
        return totals.compared(
            reader.trailer, reader.behind_trailer, needed=spec.options.require_trailer
        )

    async def _batch(self, run: _Run, left: int | None) -> list[Entry]:
        """The next entries, at most `left` rows or so, read in pieces beside the loop."""
        wanted = BATCH if left is None else min(BATCH, left)
        batch: list[Entry] = []
        size = 0
        while len(batch) < wanted and size < BATCH_BYTES:
            count = min(PIECE, wanted - len(batch))
            piece = await asyncio.to_thread(_piece, run.entries, count)
            if not piece:
                break
            batch += piece
            size += sum(len(entry.item) for entry in piece)
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
        if self._spool.avoids_kafka:
            raise UnavailableError("Kafka is away; the import goes on when it is back.")
        return await self._acceptor.accept(sending)

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
        position = {"place": batch[-1].after, "fingerprint": run.found.fingerprint}
        return Step(
            position,
            accepted + rejected,
            accepted,
            rejected,
            msgspec.to_builtins(report),
            run.reader.total,
        )

    async def _pace(self, rows: int, began: float) -> None:
        """Let the others have the processor: as long as the batch took, and to the set pace."""
        took = time.monotonic() - began
        await asyncio.sleep(max(took / 2, rows / self._settings.import_rows_per_second - took))


def _composer(job: Job, spec: ImportSpec) -> Composer:
    mapping = mapping_for(spec)
    options = spec.options
    return Composer(
        Mapper(mapping) if mapping is not None else None,
        preparing(spec.preset, options.timezone, options.time_format) if spec.preset else None,
        ids=options.id,
        source=spec.source,
        job=job.id,
    )


def _piece(entries: Iterator[Entry], count: int) -> list[Entry]:
    piece: list[Entry] = []
    size = 0
    for entry in islice(entries, count):
        piece.append(entry)
        size += len(entry.item)
        if size > PIECE_BYTES:
            break
    return piece


def _measure(run: _Run, rows: int, seconds: float) -> None:
    """How far it is in the file, and how fast it is lately."""
    report = run.report
    before, report.bytes = report.bytes, _bytes_read(run, rows)
    for name, amount in (("rows_per_second", rows), ("bytes_per_second", report.bytes - before)):
        now = amount / max(seconds, 1e-6)
        last = getattr(report, name) or now
        setattr(report, name, round(0.9 * last + 0.1 * now, 1))


def _bytes_read(run: _Run, rows: int) -> int:
    """Of Parquet the share of the rows: its reader goes to and fro."""
    total = run.reader.total
    if total is None:
        return run.found.file.tell()
    done = min(1.0, run.report.bytes / max(run.found.size, 1) + rows / max(total, 1))
    return int(run.found.size * done)
