"""The quarantine: what was refused and why, repair and replay of it, and what to do without."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, Shown, operator
from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7
from rapport_common.jobs.store import NewJob
from rapport_common.paging import MAX_BIGINT, BigId, Listed, Paging
from rapport_common.routes import Router
from rapport_common.wording import plain
from rapport_ingest.api import models
from rapport_ingest.api.fields import Moment, Rate, Reader, Word, Writer
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.selection import QuarantineReplay, Selection
from rapport_ingest.domain.transform import Transform, compile_transforms
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.jobs import started
from rapport_ingest.handlers.quarantine import DryRun, dry_run
from rapport_ingest.store import balances, quarantine
from rapport_ingest.store.balances import Balance
from rapport_ingest.store.quarantine import Group, Row, State

MAX_DISCARD = 10_000
MAX_JUDGED = 5_000

Filter = Annotated[Word | None, Query()]
BigInt = Annotated[int, Field(ge=1, le=MAX_BIGINT)]


class Chosen(BaseModel):
    """Open rows for which all that is given holds; nothing given: all of the workspace."""

    model_config = ConfigDict(extra="forbid")

    source: Word | None = None
    code: Word | None = None
    path: Word | None = None
    message_id: Word | None = None
    since: Moment | None = None
    until: Moment | None = None
    ids: Annotated[tuple[BigInt, ...], Field(min_length=1, max_length=1000)] | None = None

    def selection(self) -> Selection:
        """As the store knows it."""
        return Selection(**self.model_dump())


class Discard(BaseModel):
    """What shall not be accepted any more."""

    model_config = ConfigDict(extra="forbid")

    selection: Chosen


class Repair(BaseModel):
    """What to replay, changed how; without changes it is judged as it was sent."""

    model_config = ConfigDict(extra="forbid")

    selection: Chosen = Chosen()
    transforms: list[dict[str, Any]] = Field(default=[], max_length=100)
    rate: Rate | None = None

    def asked(self) -> QuarantineReplay:
        """The job's specification; InvalidRequestError when a change is none."""
        try:
            transforms = msgspec.convert(self.transforms, tuple[Transform, ...])
            compile_transforms(transforms)
        except (msgspec.ValidationError, ValueError) as error:
            message = f"transforms: {plain(error)}"
            raise InvalidRequestError(message, details={"path": "transforms"}) from error
        return QuarantineReplay(
            selection=self.selection.selection(), transforms=transforms, rate=self.rate
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of the lists, and which rows: open, resolved or all."""

    chosen: Selection
    state: State


def _asked(
    *,
    source: Filter = None,
    code: Filter = None,
    path: Filter = None,
    message_id: Filter = None,
    since: Moment | None = None,
    until: Moment | None = None,
    state: State = "open",
) -> Asked:
    chosen = Selection(
        source=source, code=code, path=path, message_id=message_id, since=since, until=until
    )
    return Asked(chosen, state)


Filters = Annotated[Asked, Depends(_asked)]
Judged = Annotated[int, Query(ge=1, le=MAX_JUDGED)]


def quarantine_routes(engine: AsyncEngine, counting: Counting, reopener: Reopener) -> APIRouter:
    """List, look at, repair, replay and discard."""
    router = Router(tags=["quarantine"])
    _add_reading(router, engine, counting)
    _add_changing(router, engine, reopener)
    return router


def _add_reading(router: APIRouter, engine: AsyncEngine, counting: Counting) -> None:
    @router.get("/v1/quarantine", response_model=Listed[models.QuarantinedEvent])
    async def list_rows(caller: Reader, page: Paging, asked: Filters) -> dict[str, Any]:
        """The newest events that were not accepted."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            rows = await quarantine.page(
                tx,
                caller.workspace,
                asked.chosen,
                state=asked.state,
                before=before,
                limit=page.ask,
            )
        return page.answer(rows, key=lambda row: [row.id], show=_shown)

    _add_sums(router, engine, counting)

    # Behind those with a name, which would be read as an id.
    @router.get("/v1/quarantine/{row_id}", response_model=models.QuarantinedEvent)
    async def show(row_id: BigId, caller: Reader) -> dict[str, Any]:
        """One event that was not accepted, whole."""
        async with engine.begin() as tx:
            found = await quarantine.find(tx, caller.workspace, row_id)
        if found is None:
            message = f"There is no row {row_id} in the quarantine (any more)."
            raise NotFoundError(message)
        return _shown(found)


def _add_sums(router: APIRouter, engine: AsyncEngine, counting: Counting) -> None:
    @router.get("/v1/quarantine/summary", response_model=Listed[models.QuarantineGroup])
    async def summary(caller: Reader, page: Paging, asked: Filters) -> dict[str, Any]:
        """How many by source, code and path, the most frequent first, the newest as example."""
        after = page.after(int, str, str, str)
        async with engine.begin() as tx:
            found = await quarantine.summary(
                tx,
                caller.workspace,
                asked.chosen,
                state=asked.state,
                after=after,
                limit=page.ask,
            )
        return page.answer(
            found, key=lambda one: [one.rows, one.source, one.code, one.path], show=_group
        )

    @router.get("/v1/quarantine/balance", response_model=Listed[models.QuarantineBalance])
    async def balance(caller: Reader, page: Paging) -> dict[str, Any]:
        """By source: rejected <= open + replayed + discarded + expired, equal without crashes."""
        [after] = page.after(str) or [None]
        await counting.flush()
        async with engine.begin() as tx:
            found = await balances.balances(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.source], show=_balance)


async def repairer(request: Request, _shown: Shown = None, *, dry_run: bool = False) -> Operator:
    """Who may look at a repair reads events; who may carry it out changes sources."""
    return await operator("events:read" if dry_run else "sources:write")(request)


def _add_changing(router: APIRouter, engine: AsyncEngine, reopener: Reopener) -> None:
    @router.post("/v1/quarantine/repair", status_code=202)
    async def repair(
        body: Repair,
        caller: Annotated[Operator, Depends(repairer)],
        once: Repeatable,
        *,
        dry_run: bool = False,
        limit: Judged = 1000,
    ) -> models.StartedJob | models.DryRun:
        """Replay the chosen rows with these changes, as a job; a dry run judges the first ones."""
        asked = body.asked()
        if dry_run:
            return await _tried(engine, reopener, caller, asked, limit)
        spec = msgspec.to_builtins(asked)
        new = NewJob(str(uuid7()), "replay_quarantine", spec, subject=asked.selection.source)
        async with engine.begin() as tx:
            return models.StartedJob(**await started(tx, once, caller.workspace, new))

    @router.post("/v1/quarantine/discard")
    async def discard(body: Discard, caller: Writer) -> models.Discarded:
        """Resolve the chosen rows as not wanted, 10,000 at a time; `more` tells to call again."""
        chosen = body.selection.selection()
        if chosen == Selection():
            message = "selection: name what to discard, at least a source, a code or ids."
            raise InvalidRequestError(message, details={"path": "selection"})
        async with engine.begin() as tx:
            count = await quarantine.discard(
                tx, caller.workspace, chosen, by=caller.subject, limit=MAX_DISCARD
            )
        return models.Discarded(discarded=count, more=count == MAX_DISCARD)


async def _tried(
    engine: AsyncEngine, reopener: Reopener, caller: Operator, asked: QuarantineReplay, limit: int
) -> models.DryRun:
    async with engine.begin() as tx:
        found = await dry_run(
            tx, caller.workspace, asked.selection, asked.transforms, reopener, limit=limit
        )
    return _dry(found)


def _dry(found: DryRun) -> models.DryRun:
    return models.DryRun(
        dry_run=True,
        matched=found.matched,
        judged=found.judged,
        would_pass=found.would_pass,
        still_rejected=dict(found.still_rejected),
        skipped=dict(found.skipped),
        failures=found.failures,
        examples=found.examples,
    )


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "source": row.source,
        "received_at": clock.iso(row.received_at),
        "sent_at": clock.iso(row.sent_at) if row.sent_at else None,
        "type": row.type,
        "dialect": row.dialect,
        "code": row.code,
        "path": row.path,
        "message": row.reason,
        "body": row.body.decode("utf-8", "replace"),
        "truncated": row.truncated,
        "attempts": row.attempts,
        "resolved_at": clock.iso(row.resolved_at) if row.resolved_at else None,
        "resolution": row.resolution,
        "handled_by": row.handled_by,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "source": group.source,
        "code": group.code,
        "path": group.path,
        "rows": group.rows,
        "first_at": clock.iso(group.first_at),
        "last_at": clock.iso(group.last_at),
        "example": {"id": group.id, "message_id": group.message_id, "message": group.reason},
    }


def _balance(one: Balance) -> dict[str, Any]:
    return {
        "source": one.source,
        "rejected": one.rejected,
        "open": one.open,
        "replayed": one.replayed,
        "discarded": one.discarded,
        "expired": one.expired,
        "kept": one.kept,
    }
