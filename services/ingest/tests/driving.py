"""Working jobs off in a test, step by step, with a crash where the test wants one."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from tests.support.waiting import between_looks

from rapport_common.errors import UnavailableError
from rapport_common.jobs.store import Job, Step
from rapport_common.jobs.worker import Jobs
from rapport_ingest.store.jobs import JOBS

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

Work = Callable[[Job], AsyncIterator[Step]]
HOLDER = "test"


class Death:
    """The process dies before it tells the `number`th step with events.

    A job's start and its signs of life are steps too, but how many of them there are is up to how
    Kafka hands out its records.
    """

    def __init__(self, number: int = 1) -> None:
        self._left = number
        self.untold: Step | None = None
        """What was done and not told."""

    def comes(self, step: Step) -> bool:
        """Whether it dies before this one."""
        self._left -= step.accepted + step.rejected > 0
        if self._left:
            return False
        self.untold = step
        return True


def work_of(ingest: "Ingest", kind: str) -> Work:
    """The work that the process itself does for jobs of this kind."""
    [runner] = [one for one in ingest.process.workers if isinstance(one, Jobs)]
    return runner.works[kind]


async def stored(ingest: "Ingest", job: str) -> Job:
    async with ingest.process.engine.begin() as tx:
        found = await JOBS.find(tx, ingest.workspace, job)
    assert found is not None
    return found


async def drive(
    ingest: "Ingest",
    job: str,
    *,
    work: Work | None = None,
    death: Death | None = None,
    waits: bool = True,
) -> Job:
    """Work a job off, or until the process dies; it `waits` for Kafka, as in the service."""
    async with ingest.process.engine.begin() as tx:
        await tx.execute(
            text("UPDATE ingest.job SET state = 'running', holder = :holder WHERE id = :id"),
            {"holder": HOLDER, "id": job},
        )
    while True:
        try:
            return await _worked(ingest, await stored(ingest, job), work, death)
        except UnavailableError:
            if not waits:
                raise
            await between_looks()


async def _worked(ingest: "Ingest", found: Job, work: Work | None, death: Death | None) -> Job:
    async with aclosing((work or work_of(ingest, found.kind))(found)) as steps:  # type: ignore[type-var] # works are async generators
        async for step in steps:
            if death is not None and death.comes(step):
                return await stored(ingest, found.id)
            async with ingest.process.engine.begin() as tx:
                assert await JOBS.advance(tx, found, HOLDER, step)
    async with ingest.process.engine.begin() as tx:
        await JOBS.finish(tx, found, HOLDER, "done")
    return await stored(ingest, found.id)


async def post(ingest: "Ingest", path: str, body: Any, status: int = 202) -> Any:
    answer = await ingest.client.post(path, json=body, headers=ingest.token("sources:write"))
    assert answer.status_code == status, answer.text
    return answer.json()


def names(event: Any) -> dict[str, str]:
    """Who a record of the log is about: {kind: value}."""
    return dict(event["identifiers"])


async def repair(ingest: "Ingest", *transforms: dict[str, Any], **selection: Any) -> str:
    """A queued job that replays a selection with these changes."""
    body = {"selection": selection, "transforms": list(transforms)}
    return str((await post(ingest, "/v1/quarantine/repair", body))["id"])
