"""/v1/lists: name lists, put identifiers on them, one by one or by a file, and take them off."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_common.files.uploads import received
from rapport_common.jobs.routes import JobId, ShownJob, shown
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_segment.api import list_models as models
from rapport_segment.api.callers import PERSONAL, Reader, Writer
from rapport_segment.handlers import lists, uploading
from rapport_segment.handlers.lists import OnLists, require, require_listed
from rapport_segment.store import lists as store
from rapport_segment.store.jobs import JOBS, UPLOAD
from rapport_segment.store.list_files import FILES

UPLOADS = re.compile(r"/v1/lists/[^/]+/uploads")
"""Where a body may be as long as a file."""


def list_routes(engine: AsyncEngine) -> APIRouter:
    """Read lists."""
    router = Router(tags=["lists"])

    @router.get("/v1/lists", response_model=Listed[models.ShownList])
    async def listing(
        caller: Reader, page: Paging, *, archived: Annotated[bool, Query()] = False
    ) -> dict[str, Any]:
        """List lists by name: the living, or the archived ones."""
        after = page.after(str, UUID)
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                archived=archived,
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(
            found, key=lambda one: (one.kept.name, one.kept.list_id), show=models.shown_list
        )

    @router.get("/v1/lists/{list_id}", response_model=models.ShownList)
    async def show(list_id: UUID, caller: Reader) -> dict[str, Any]:
        """Show one list, archived ones too."""
        async with engine.begin() as tx:
            return models.shown_list(await require_listed(tx, caller.workspace, list_id))

    return router


def member_routes(engine: AsyncEngine) -> APIRouter:
    """Read what is on lists, and what was not taken."""
    router = Router(tags=["lists"])

    @router.get("/v1/lists/{list_id}/members", response_model=Listed[models.ListMember])
    async def members(list_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        """List what is on a list, by kind and value; it takes the scope `profiles:export`, too."""
        caller.require(PERSONAL)
        after = page.after(str, str)
        async with engine.begin() as tx:
            await require(tx, caller.workspace, list_id)
            found = await store.members(
                tx,
                caller.workspace,
                list_id,
                after=(after[0], after[1]) if after else None,
                limit=page.ask,
            )
        return page.answer(found, key=lambda one: (one.kind, one.value))

    @router.get("/v1/lists/{list_id}/uploads/{job_id}/refused")
    async def refused(
        list_id: UUID, job_id: JobId, caller: Reader, page: Paging
    ) -> Listed[models.RefusedRow]:
        """List the rows of a file that were not taken, by their lines."""
        [after] = page.after(int) or [0]
        async with engine.begin() as tx:
            job = await JOBS.find(tx, caller.workspace, job_id)
            if job is None or job.kind != UPLOAD or job.subject != str(list_id):
                raise NotFoundError(f"There is no upload '{job_id}' of this list.")
            found = await FILES.refused(tx, caller.workspace, job_id, after=after, limit=page.ask)
        answer = page.answer(found, key=lambda one: [one.line], show=models.refused_row)
        return Listed[models.RefusedRow](**answer)

    return router


def change_routes(engine: AsyncEngine) -> APIRouter:
    """Make, change and archive lists."""
    router = Router(tags=["lists"])

    @router.post("/v1/lists", status_code=201, response_model=models.ShownList)
    async def create(body: models.NewList, caller: Writer) -> dict[str, Any]:
        """Make a list, with nothing on it."""
        async with engine.begin() as tx:
            return models.shown_list(await lists.create(tx, caller.workspace, body.name))

    @router.patch("/v1/lists/{list_id}", response_model=models.ShownList)
    async def change(list_id: UUID, body: models.ListChange, caller: Writer) -> dict[str, Any]:
        """Call a list otherwise."""
        async with engine.begin() as tx:
            return models.shown_list(await lists.rename(tx, caller.workspace, list_id, body.name))

    @router.delete("/v1/lists/{list_id}", status_code=204)
    async def archive(list_id: UUID, caller: Writer) -> None:
        """Archive a list that no segment asks for: a job takes off what is on it."""
        async with engine.begin() as tx:
            await lists.archive(tx, caller.workspace, list_id)

    return router


def moving_routes(engine: AsyncEngine, on_lists: OnLists) -> APIRouter:
    """Put identifiers on lists, and take them off."""
    router = Router(tags=["lists"])

    @router.post("/v1/lists/{list_id}/members/add", response_model=models.Moved)
    async def add(list_id: UUID, body: models.Identifiers, caller: Writer) -> dict[str, int]:
        """Put identifiers on a list; those that are on it already stay."""
        wanted = models.identifiers(body)
        async with engine.begin() as tx:
            return {"changed": await on_lists.put(tx, caller.workspace, list_id, wanted)}

    @router.post("/v1/lists/{list_id}/members/remove", response_model=models.Moved)
    async def remove(list_id: UUID, body: models.Identifiers, caller: Writer) -> dict[str, int]:
        """Take identifiers off a list; those that are not on it do no harm."""
        wanted = models.identifiers(body)
        async with engine.begin() as tx:
            return {"changed": await on_lists.take(tx, caller.workspace, list_id, wanted)}

    @router.post("/v1/lists/{list_id}/uploads", status_code=202, response_model=ShownJob)
    async def upload(
        list_id: UUID, request: Request, caller: Writer, file: models.UploadParameters
    ) -> Any:
        """Put what a CSV or JSON Lines file has on a list, or that in place of what was on it.

        The body is the file, 128 MiB at most, packed by gzip or not.
        """
        spec = file.spec(list_id)
        async with engine.begin() as tx:
            await lists.require_living(tx, caller.workspace, list_id)
        async with received(request.stream()) as body, engine.begin() as tx:
            if not body.read(1):
                raise InvalidRequestError("The body is empty; it is the file.")
            body.seek(0)
            job = await uploading.begin(tx, caller.workspace, spec, body)
            found = await JOBS.find(tx, caller.workspace, job)
        return found and shown(found)

    return router
