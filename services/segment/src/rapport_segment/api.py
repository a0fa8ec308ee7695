"""The operator API: segments, their members, and why."""

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.kafka.store import ConsumerStore
from rapport_segment.domain.evaluate import Verdict
from rapport_segment.domain.membership import Entry
from rapport_segment.handlers.segments import SegmentHandler, Standing, Wish, require
from rapport_segment.store import definitions, people
from rapport_segment.store.definitions import Stored

Reader = Annotated[Operator, Depends(operator("segments:read"))]
Writer = Annotated[Operator, Depends(operator("segments:write"))]
Ops = Annotated[Operator, Depends(operator("ops"))]


def _printable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]


class NewSegment(BaseModel):
    """A segment to define; the language of rules is in the service's README."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    rule: dict[str, Any]


class ChangedSegment(NewSegment):
    """A segment as it shall be; while not `active` nobody is in it."""

    active: bool = True


class Preview(BaseModel):
    """A rule to try."""

    model_config = ConfigDict(extra="forbid")

    rule: dict[str, Any]


def segment_routes(engine: AsyncEngine, handler: SegmentHandler) -> APIRouter:
    """/v1/segments: define, change, preview, list."""
    router = APIRouter(tags=["segments"])

    @router.post("/v1/segments", status_code=201)
    async def create(body: NewSegment, caller: Writer) -> dict[str, Any]:
        async with engine.begin() as tx:
            one, count = await handler.create(tx, caller, Wish(body.name, body.rule))
        return _shown(one, count)

    @router.post("/v1/segments/preview")
    async def preview(body: Preview, caller: Reader) -> dict[str, int]:
        async with engine.begin() as tx:
            fitting, everybody = await handler.preview(tx, caller.workspace, body.rule)
        return {"count": fitting, "of": everybody}

    @router.get("/v1/segments")
    async def listing(caller: Reader) -> dict[str, Any]:
        async with engine.begin() as tx:
            found = await definitions.listed(tx, caller.workspace)
        return {"segments": [_shown(one, count) for one, count in found]}

    @router.get("/v1/segments/{segment_id}")
    async def show(segment_id: UUID, caller: Reader) -> dict[str, Any]:
        async with engine.begin() as tx:
            one = await require(tx, caller.workspace, segment_id)
            count = await definitions.count_members(tx, caller.workspace, segment_id)
            versions = await definitions.history(tx, caller.workspace, segment_id)
        past = [{**version, "rule": json.loads(version["rule"])} for version in versions]
        return {**_shown(one, count), "versions": past}

    @router.put("/v1/segments/{segment_id}")
    async def change(segment_id: UUID, body: ChangedSegment, caller: Writer) -> dict[str, Any]:
        wish = Wish(body.name, body.rule, body.active)
        async with engine.begin() as tx:
            one, count = await handler.replace(tx, caller, segment_id, wish)
        return _shown(one, count)

    return router


def member_routes(engine: AsyncEngine, handler: SegmentHandler) -> APIRouter:
    """/v1/segments/{id}/members: who is in it, since when, and why."""
    router = APIRouter(tags=["members"])

    @router.get("/v1/segments/{segment_id}/members")
    async def listing(
        segment_id: UUID,
        caller: Reader,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        after: UUID | None = None,
    ) -> dict[str, Any]:
        async with engine.begin() as tx:
            await require(tx, caller.workspace, segment_id)
            found = await people.members(tx, caller.workspace, segment_id, after=after, limit=limit)
        following = str(found[-1].profile_id) if len(found) == limit else None
        return {"members": [_member(one) for one in found], "next": following}

    @router.get("/v1/segments/{segment_id}/members/{profile_id}")
    async def why(segment_id: UUID, profile_id: UUID, caller: Reader) -> dict[str, Any]:
        async with engine.begin() as tx:
            found = await handler.standing(tx, caller.workspace, segment_id, profile_id)
        return _standing(found)

    return router


def ledger_routes(engine: AsyncEngine, consumer: ConsumerStore) -> APIRouter:
    """GET /v1/ledger: the counts of the equations, over all workspaces."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/ledger")
    async def ledger(_caller: Ops) -> dict[str, Any]:
        async with engine.begin() as tx:
            # One picture: counts of different instants would not add up.
            await tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            consumed = await consumer.ledger(tx)
            counts = await people.counts(tx)
        tallies = consumed["tallies"]
        return {
            **consumed,
            **counts,
            "entered": tallies.get("entered", 0),
            "exited": tallies.get("exited", 0),
        }

    return router


def _shown(one: Stored, members: int) -> dict[str, Any]:
    return {
        "id": one.segment_id,
        "version": one.version,
        "name": one.name,
        "rule": json.loads(one.rule),
        "active": one.active,
        "members": members,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }


def _member(one: Entry) -> dict[str, Any]:
    return {
        "profile_id": one.profile_id,
        "since": one.entered_at,
        "reason": one.reason,
        "entry_id": one.entry_id,
        "segment_version": one.segment_version,
    }


def _standing(found: Standing) -> dict[str, Any]:
    stay = found.stay
    member = stay is not None and stay.exited_at is None
    return {
        "profile_id": found.person.profile_id,
        "member": member,
        "since": stay.entered_at if stay and member else None,
        "left_at": stay.exited_at if stay else None,
        "reason": found.reason,
        "entry_id": stay.entry_id if stay and member else None,
        "explanation": [_verdict(one) for one in found.verdicts],
    }


def _verdict(one: Verdict) -> dict[str, Any]:
    return {
        "path": one.leaf.path or "rule",
        "subject": one.leaf.subject.label,
        "op": one.leaf.op,
        "wanted": one.leaf.value,
        "actual": one.actual,
        "result": one.result,
    }
