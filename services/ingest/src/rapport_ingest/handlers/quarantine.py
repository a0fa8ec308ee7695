"""Judging quarantined events again, repaired or as they are, by their source's present rules."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import empty_object
from rapport_ingest.domain.dialects.originals import UnfitError
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.event import Origin, judge, marks_of
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.planned import breach
from rapport_ingest.domain.repair import BeyondRepairError, mended, readable
from rapport_ingest.domain.selection import Selection
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.transform import Transform, TransformError, compile_transforms
from rapport_ingest.domain.verdict import Refusal
from rapport_ingest.handlers.senders import senders_of
from rapport_ingest.store import quarantine
from rapport_ingest.store.quarantine import Row

SHOWN_FAILURES, SHOWN_EXAMPLES = 10, 5


@dataclass(frozen=True, slots=True)
class Tried:
    """What a row would come to: `raw` is accepted under `spare`, or there is a reason why not.

    `skipped` is a code for what no verdict can be given on (`truncated`, `unknown_source`, …).
    """

    row: Row
    raw: msgspec.Raw = field(default_factory=empty_object)
    spare: str = ""
    skipped: str | None = None
    refusal: Refusal | None = None

    @property
    def passes(self) -> bool:
        """Whether it would be accepted."""
        return self.skipped is None and self.refusal is None


async def senders_of_rows(
    tx: AsyncConnection, workspace: str, rows: Sequence[Row]
) -> dict[str, Sender]:
    """The sources of these rows with the policies and plans that hold now, by id."""
    callers = [Caller(workspace, one) for one in sorted({row.source for row in rows})]
    return {caller.source: one for caller, one in (await senders_of(tx, callers)).items()}


class Bench:
    """Tries rows with one list of changes, as the front door would judge the changed events."""

    def __init__(
        self,
        transforms: Sequence[Transform],
        senders: Mapping[str, Sender],
        reopener: Reopener,
    ) -> None:
        self._reopener = reopener
        self._transformer = compile_transforms(transforms)
        self._senders = senders

    def try_row(self, row: Row) -> Tried:
        """The verdict on one row; nothing is kept or counted."""
        sender = self._senders.get(row.source)
        if sender is None:
            return Tried(row, skipped="unknown_source")
        if sender.policy.test_mode:
            return Tried(row, skipped="source_in_test_mode")
        try:
            readable(row.body, truncated=row.truncated)
            body = self._reopener.event(row.dialect, row.body, sender, row.message_id)
            raw = mended(body, self._transformer)
        except BeyondRepairError as error:
            return Tried(row, skipped=error.reason)
        except TransformError as error:
            refusal = Refusal(row.message_id, "transform_failed", error.path, error.reason)
            return Tried(row, refusal=refusal)
        except UnfitError as error:
            return Tried(row, refusal=Refusal(row.message_id, error.code, error.path, error.reason))
        # Where the event brings no id, it was refused and answered under one that was made then.
        spare = row.message_id or f"quarantine-{row.id}"
        return Tried(row, raw, spare, refusal=_verdict(sender, row, raw, spare))

    def after(self, row: Row) -> Any:
        """The event as the changes leave it, or None where they can't be made."""
        try:
            readable(row.body, truncated=row.truncated)
            sender = self._senders[row.source]
            body = self._reopener.event(row.dialect, row.body, sender, row.message_id)
            return msgspec.json.decode(mended(body, self._transformer))
        except (BeyondRepairError, KeyError, TransformError, UnfitError):
            return None


def _verdict(sender: Sender, row: Row, raw: msgspec.Raw, spare: str) -> Refusal | None:
    marks = marks_of(row.trust, historic=row.historic)
    origin = Origin(sender, SenderClock(row.sent_at, row.received_at), marks=marks)
    judged = judge(raw, row.kind, origin, spare, row.sequence)
    if isinstance(judged, Refusal):
        return judged
    event, fields = judged
    # Only tried: what breaks the plan is not counted as a violation here.
    broken = breach(sender, event, fields)
    return None if broken is None else broken.refusal(event)


@dataclass(slots=True)
class DryRun:
    """What a repair would do to the first rows of a selection."""

    matched: int
    judged: int = 0
    would_pass: int = 0
    still_rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def note(self, tried: Tried, bench: Bench) -> None:
        """Count one row, and show it when it is among the first of its kind."""
        self.judged += 1
        if tried.skipped is not None:
            self.skipped[tried.skipped] += 1
        elif tried.refusal is not None:
            self.still_rejected[reason_of(tried.refusal.code, tried.refusal.path)] += 1
            if len(self.failures) < SHOWN_FAILURES:
                self.failures.append(_failure(tried, tried.refusal))
        else:
            self.would_pass += 1
            if len(self.examples) < SHOWN_EXAMPLES:
                self.examples.append(_example(tried, bench))


async def dry_run(
    tx: AsyncConnection,
    workspace: str,
    chosen: Selection,
    transforms: Sequence[Transform],
    reopener: Reopener,
    *,
    limit: int,
) -> DryRun:
    """Judge the first `limit` open rows of a selection with these changes; nothing is changed."""
    matched, _ = await quarantine.extent(tx, workspace, chosen)
    rows = await quarantine.oldest_open(tx, workspace, chosen, limit)
    bench = Bench(transforms, await senders_of_rows(tx, workspace, rows), reopener)
    found = DryRun(matched)
    for row in rows:
        found.note(bench.try_row(row), bench)
    return found


def reason_of(code: str, path: str) -> str:
    """How a verdict is named in a report: `invalid_type properties.total`."""
    return f"{code} {path}".rstrip()


def _failure(tried: Tried, refusal: Refusal) -> dict[str, Any]:
    return {
        "id": tried.row.id,
        "message_id": tried.row.message_id,
        "code": refusal.code,
        "path": refusal.path,
        "message": refusal.reason,
    }


def _example(tried: Tried, bench: Bench) -> dict[str, Any]:
    return {
        "id": tried.row.id,
        "message_id": tried.row.message_id,
        "before": msgspec.json.decode(tried.row.body),
        "after": bench.after(tried.row),
    }
