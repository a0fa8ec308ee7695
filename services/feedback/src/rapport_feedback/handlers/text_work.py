"""Long work on texts, by jobs: all are read again, and topics are learned from what people said."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import ids
from rapport_common.errors import AppError
from rapport_common.jobs.store import Job, NewJob, Step
from rapport_common.jobs.worker import Work
from rapport_feedback.handlers.enriching import taught_topics
from rapport_feedback.handlers.rewinding import JOBS
from rapport_feedback.store import text_models
from rapport_feedback.store import texts as store
from rapport_feedback.understanding.reader import Reader
from rapport_feedback.understanding.wire import Failed, Labelled, Learned, Lesson

READ, LEARN = "read_texts", "learn_topics"
PAGE = 200


class TooFewError(AppError):
    """There is nothing to learn from yet."""

    status = 409
    code = "too_few_examples"


async def ask_reading(tx: AsyncConnection, workspace: str, about: str) -> str:
    """Have all texts of a workspace read; the id of the job."""
    job = NewJob(str(ids.uuid7()), READ, {"about": about}, about)
    await JOBS.add(tx, workspace, job)
    return job.id


async def ask_learning(tx: AsyncConnection, workspace: str, job_id: UUID, language: str) -> str:
    """Have the topics of a language learned; the id of the job."""
    job = NewJob(str(job_id), LEARN, {"language": language}, language)
    await JOBS.add(tx, workspace, job)
    return job.id


@dataclass(frozen=True)
class Rereading:
    """The work of a job that lets all texts be read, page by page of each source.

    A page that is noted twice waits once. The texts are read behind new ones, by whoever reads.
    """

    engine: AsyncEngine

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Go through answers, cases and messages in the order of their ids."""
        for index, source in enumerate(store.SOURCES):
            if index < job.position.get("source", 0):
                continue
            here = index == job.position.get("source", 0)
            after: str | None = job.position.get("after") if here else None
            while True:
                async with self.engine.begin() as tx:
                    number, last = await store.note_page(tx, job.workspace, source, after, PAGE)
                if last is None:
                    break
                after = last
                position = {"source": index, "after": after}
                yield Step(position=position, done=number, accepted=number, rejected=0, report={})


@dataclass(frozen=True)
class Learning:
    """The work of a job that learns topics, in a process of its own.

    The model's id is the job's: a job that is done again after a crash makes no second one.
    """

    engine: AsyncEngine
    reader: Reader

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Learn, compare with the rules, and let the model hold if it is better beyond chance."""
        language = str(job.spec["language"])
        async with self.engine.begin() as tx:
            examples = await text_models.examples(tx, job.workspace, language)
            topics, _versions = await taught_topics(tx, job.workspace)
        texts = [Labelled(words, list(said)) for words, said in examples]
        try:
            found = await self.reader.learn(Lesson(language, texts, topics))
        finally:
            await self.reader.close()
        report = await self._keep(job, language, found)
        number = len(texts)
        yield Step(position={}, done=number, accepted=number, rejected=0, report=report)

    async def _keep(self, job: Job, language: str, found: Learned | Failed) -> dict[str, object]:
        if isinstance(found, Failed):
            raise TooFewError(f"The topics could not be learned: it {found.reason}.")
        if found.model is None or found.comparison is None:
            message = f"No topic has enough corrected texts in {language!r} yet."
            raise TooFewError(message, details={"language": language})
        model_id = UUID(job.id)
        async with self.engine.begin() as tx:
            await text_models.add(
                tx,
                job.workspace,
                model_id,
                language,
                model=found.model,
                comparison=found.comparison,
            )
            made = await text_models.one(tx, job.workspace, model_id)
            if made is not None and found.comparison.is_better and not made.active:
                await text_models.hold(tx, job.workspace, made, told_by=None)
                await ask_reading(tx, job.workspace, f"model {language} {made.version}")
        return {"model_id": job.id, "gain": found.comparison.gain, "low": found.comparison.low}


def text_works(engine: AsyncEngine) -> dict[str, Work]:
    """The works of texts, by their kinds."""
    return {READ: Rereading(engine).work, LEARN: Learning(engine, Reader()).work}
