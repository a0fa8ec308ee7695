"""/v1/cases: assigned, changed many at once, watched as they change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock, ids
from rapport_common.errors import UnavailableError
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback import metrics
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.case_models import CaseChange, CaseView, Seeing, Seen
from rapport_feedback.api.desk import Whose, whose
from rapport_feedback.api.desk_models import AgentName
from rapport_feedback.api.inbox import ViewName
from rapport_feedback.api.models import Note, Request, id_of
from rapport_feedback.api.rule_models import rule_name
from rapport_feedback.domain import case_views, live_marks
from rapport_feedback.domain.cases import State
from rapport_feedback.handlers import bulk, desk, watching
from rapport_feedback.handlers.assigning import Assigning
from rapport_feedback.handlers.bulk import Change
from rapport_feedback.store import bulk as bulk_store
from rapport_feedback.store import desk as desk_store
from rapport_feedback.store import inbox
from rapport_feedback.tables import SCHEMA

LOOK_SECONDS = 1.0
STREAM_LOOKS = 600
"""So often a stream looks; then it ends, and whoever watches connects again."""

MOST_STREAMS = 50
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_CASE = "01890a5d-ac96-774b-bcce-b302099a8057"


class AssignBody(Seen):
    """Whose the case is to be."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"agent": "ann", "reason": "knows her"}]}
    )

    agent: AgentName | None = Field(None, description="null: whoever its queue would choose")
    nobody: bool = Field(default=False, description="give it back instead")
    reason: Note = ""


class BulkCase(Request):
    id: UUID
    version: Seeing = None


class BulkBody(Request):
    """Which cases, and what shall be otherwise of each: all of it, or nothing of a case."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"cases": [{"id": _CASE, "version": 3}], "change": {"category": "damaged"}}
            ]
        },
    )

    cases: list[BulkCase] = Field(default_factory=list, max_length=bulk.MOST_CASES)
    view: str | None = Field(None, max_length=63, description="the cases of a view, instead")
    change: CaseChange = Field(default_factory=CaseChange, description="fields, and the reason")
    state: State | None = None
    note: Note = Field("", description="for staff")

    @model_validator(mode="after")
    def _names_cases(self) -> Self:
        if bool(self.cases) == (self.view is not None):
            message = "give the cases, or a view"
            raise ValueError(message)
        if self.change.version is not None:
            message = "a version is of each case: give it with the case's id"
            raise ValueError(message)
        return self

    def wanted(self) -> Change:
        """What shall be otherwise."""
        fields = self.change.changes()
        owner = fields.pop("owner", None)
        return Change(fields, owner, self.state, self.note, self.change.reason)


class BulkJob(BaseModel):
    """The job that changes the cases: GET /v1/jobs/{job_id}, .../bulk/{job_id}/verdicts."""

    job_id: str
    cases: int


class Verdict(BaseModel):
    """What has become of a case: empty while it is not its turn yet."""

    case_id: UUID
    place: int
    verdict: str = Field(description="changed, unchanged, refused; empty: not yet")
    message: str


def assign_routes(engine: AsyncEngine, assigning: Assigning) -> APIRouter:
    """Assignment by word"""
    router = Router(prefix="/v1/cases", tags=["cases"])

    @router.post("/{case_id}/assign")
    async def assign(case_id: str, body: AssignBody, caller: Writer) -> CaseView:
        """Let a case be somebody's: who is named, or whoever its queue would choose by skills,
        language and load (409 `nobody_free` says why nobody).
        """
        now = clock.now()
        async with engine.begin() as tx:
            after = await assigning.assign(
                tx,
                caller.workspace,
                id_of(case_id, "case"),
                "" if body.nobody else body.agent,
                actor=caller.subject,
                reason=body.reason,
                now=now,
                seen=body.version,
            )
        return CaseView.of(after, now)

    return router


def bulk_routes(engine: AsyncEngine) -> APIRouter:
    """Many cases at once"""
    router = Router(prefix="/v1/cases/bulk", tags=["cases"])

    @router.post("", status_code=202)
    async def change(body: BulkBody, caller: Writer, once: Repeatable) -> BulkJob:
        """Change up to 10,000 cases by a job; each has a verdict of its own."""
        job_id, workspace = str(ids.uuid7()), caller.workspace
        given = body.model_dump(mode="json")
        async with engine.begin() as tx:
            made = await once.earlier(tx, SCHEMA, workspace, body=given, made_id=job_id)
            if made is not None:
                known = await bulk_store.count(tx, workspace, made)
                return BulkJob(job_id=made, cases=known)
            chosen = [(one.id, one.version) for one in body.cases]
            if body.view is not None:
                view = await desk.view(tx, workspace, rule_name(body.view))
                known_desk = await desk_store.desk(tx, workspace)
                asked = case_views.asked(view, caller.subject, known_desk)
                limit = bulk.MOST_CASES + 1
                found = await inbox.ids_of(tx, workspace, asked, clock.now(), limit)
                chosen = [(one, None) for one in found]
            await bulk.ask(tx, workspace, job_id, chosen, (body.wanted(), caller.subject))
        return BulkJob(job_id=job_id, cases=len(dict(chosen)))

    @router.get("/{job_id}/verdicts", response_model=Listed[Verdict])
    async def verdicts(job_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """What has become of each case, in the order in which they were given."""
        [after] = page.after(int) or [0]
        async with engine.begin() as tx:
            found = await bulk_store.page(
                tx, caller.workspace, job_id[:100], after=after, limit=page.ask
            )
        return page.answer(
            found,
            key=lambda one: [one.place],
            show=lambda one: Verdict(
                case_id=one.case_id, place=one.place, verdict=one.verdict, message=one.message
            ),
        )

    return router


@dataclass
class Streams:
    """How many there are in this process."""

    number: int = 0


@dataclass(frozen=True)
class Watch:
    """Whose view is watched, and from where on."""

    workspace: str
    agent: str
    view: str
    last_id: str | None = None


def live_routes(engine: AsyncEngine) -> APIRouter:
    """Changes as they happen"""
    router = Router(prefix="/v1/cases", tags=["inbox"])
    streams = Streams()

    @router.get(
        "/live",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def live(
        caller: Reader,
        *,
        view: ViewName = "open",
        agent: Whose = None,
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    ) -> StreamingResponse:
        """Changes of cases within a second or two, as `text/event-stream`.

        `ready`: from here on all are told; `case`: one that the view has, as it is now; `gone`: one
        that has changed and is not in the view; `reset`: some may be missing, read the list again;
        `end`: connect again. With `Last-Event-ID` it goes on behind that.
        """
        watch = Watch(caller.workspace, whose(agent, caller), rule_name(view), last_event_id)
        async with engine.begin() as tx:
            await desk.view(tx, watch.workspace, watch.view)
        if streams.number >= MOST_STREAMS:
            message = f"{MOST_STREAMS} views are watched here already: read the list instead."
            raise UnavailableError(message, retry_after=10)
        lines = changes(engine, watch, streams)
        return StreamingResponse(lines, media_type="text/event-stream", headers=_HEADERS)

    return router


async def changes(
    engine: AsyncEngine,
    watch: Watch,
    streams: Streams,
    *,
    looks: int = STREAM_LOOKS,
    pause: float = LOOK_SECONDS,
) -> AsyncIterator[bytes]:
    """The lines of a stream; `looks` times it looks, with a `pause` after what was the last."""
    streams.number += 1
    metrics.WATCHED.set(streams.number)
    try:
        yield b"retry: 2000\n\n"
        async with engine.begin() as tx:
            mark, is_reset = await watching.begin(tx, watch.last_id, clock.now())
        if is_reset:
            yield b"event: reset\ndata: {}\n\n"
        told_id = live_marks.told(*mark)
        yield b"id: %s\nevent: ready\ndata: {}\n\n" % told_id.encode()
        for _ in range(looks):
            now = clock.now()
            async with engine.begin() as tx:
                view = await desk.view(tx, watch.workspace, watch.view)
                news = await watching.news(tx, watch.workspace, (view, watch.agent), mark, now)
            mark = news.mark
            lines = _lines(news, clock.now())
            yield lines or b": still here\n\n"
            if not news.more:
                await asyncio.sleep(pause)
        yield b"event: end\ndata: {}\n\n"
    finally:
        streams.number -= 1
        metrics.WATCHED.set(streams.number)


def _lines(news: watching.News, now: Any) -> bytes:
    """All that is new; the mark stands at the last of it, so that what was cut off comes again."""
    told = [
        ("case", CaseView.of(one, now).model_dump(mode="json", exclude={"body"}))
        for one in news.shown
    ]
    told += [("gone", {"id": str(one)}) for one in news.gone]
    blocks = [
        b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))
        for name, data in told
    ]
    if blocks:
        blocks[-1] = b"id: %s\n" % live_marks.told(*news.mark).encode() + blocks[-1]
    return b"".join(blocks)
