"""The process that renders, seen from who needs it: started, asked, and ended when it is silent.

It answers some mails at a time; after it has died of one it answers one by one, so that what it
hangs on is known: that one fails, and the rest of the batch goes to a fresh process. What is said
to and fro is in `render.wire`, the process itself in `render.__main__`; the key of the links comes
by the same way as all else, never by an argument.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from rapport_campaign import render
from rapport_campaign.domain.model import Campaign
from rapport_campaign.nursery import Child, Nursery
from rapport_campaign.render.authoring import Draft, Made, Piecework
from rapport_campaign.render.compose import Job, Mail, Office
from rapport_campaign.render.preview import Sight, View
from rapport_campaign.render.saying import Spoken
from rapport_campaign.render.templates import Problem
from rapport_campaign.render.wire import ANSWERS, LENGTH, Answered, Batch, Source, Task

START_SECONDS = 60.0
CHECK_SECONDS = 60.0
AUTHOR_SECONDS = 15.0
"""For what an author has written: others who write wait for it."""
AUTHORS = 5.0
"""So many times as long as a mail a template may take, which is made once."""
GOOD_BYE_SECONDS = 1.0
TRIES = 2


@dataclass(frozen=True, slots=True)
class Refusal:
    """No mail can be made of a job, and why."""

    reason: str


class RendererError(RuntimeError):
    """A renderer can't be started."""


Answer = Mail | Spoken | Refusal
NotYet = Literal["not yet"]
NOT_YET: NotYet = "not yet"


@dataclass
class Renderer:
    """One such process, started when it is first needed and again when it had to be ended.

    One job may take `seconds` of processor time. A process that is silent for `patience` seconds
    is ended: it is frozen, or in a call that can't be interrupted. It comes from the `nursery`, if
    there is one.
    """

    office: Office
    seconds: float
    patience: float = 30.0
    nursery: Nursery | None = None
    _process: asyncio.subprocess.Process | Child | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def compose(
        self, jobs: Sequence[Job], now: datetime, *, until: float
    ) -> list[Answer | NotYet]:
        """A mail or a refusal for each job, in their order.

        Those for which there is no time before `until` (of the monotonic clock) are not tried.
        """
        batch = _batch(jobs, now, self.seconds)
        found = await self._all(batch, len(jobs), until)
        return [_outcome(one) for one in found]

    async def check(self, sources: Sequence[Source]) -> list[list[Problem]]:
        """What is wrong with each template."""
        batch = Batch(self.seconds, check=list(sources))
        found = await self._all(batch, len(sources), time.monotonic() + CHECK_SECONDS)
        tired = [Problem("the template takes too long to read")]
        return [tired if one is None or one.refused else one.problems for one in found]

    async def make(self, drafts: Sequence[Draft]) -> list[Made | Refusal]:
        """What mails are made of in each language of a template, or what is wrong with it."""
        found = await self._of_authors(Batch(self.seconds * AUTHORS, drafts=list(drafts)))
        return [one.made or _refusal(one) for one in found]

    async def look(self, snippet: Piecework) -> Made | Refusal:
        """What is wrong with a snippet."""
        [found] = await self._of_authors(Batch(self.seconds * AUTHORS, snippets=[snippet]))
        return found.made or _refusal(found)

    async def show(self, view: View) -> Sight | Refusal:
        """A template as somebody would get it."""
        [found] = await self._of_authors(Batch(self.seconds, views=[view]))
        return found.sight or _refusal(found)

    async def _of_authors(self, batch: Batch) -> list[Answered]:
        found = await self._all(batch, len(batch.asked), time.monotonic() + AUTHOR_SECONDS)
        return [one or Answered(refused="template: it takes too long") for one in found]

    async def close(self) -> None:
        """Let the process end, briefly."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOOD_BYE_SECONDS):
                await process.wait()
        await _end(process)

    async def _all(self, batch: Batch, number: int, until: float) -> list[Answered | None]:
        """Every answer of a batch, whatever becomes of the process; None where time ran out."""
        answers: list[Answered | None] = []
        deaths = 0
        async with self._lock:
            while len(answers) < number and time.monotonic() < until:
                before = len(answers)
                try:
                    await self._ask(_rest(batch, before, deaths > 0), answers, until)
                except (TimeoutError, EOFError, OSError) as error:
                    await self._drop()
                    deaths = deaths + 1 if len(answers) == before else 1
                    if deaths >= TRIES and time.monotonic() < until:
                        # The process ended twice at the same job: it is the job.
                        answers.append(Answered(refused=_hung(error)))
                        deaths = 0
                except BaseException:
                    # What it would still answer is for nobody.
                    await self._drop()
                    raise
        return answers + [None] * (number - len(answers))

    async def _ask(self, batch: Batch, answers: list[Answered | None], until: float) -> None:
        process = await self._started()
        if process.stdin is None or process.stdout is None:
            raise RendererError("the renderer has no pipes")
        async with asyncio.timeout(self.patience):
            await _write(process.stdin, msgspec.json.encode(batch))
        number = len(answers) + len(batch.asked)
        while len(answers) < number:
            left = max(until - time.monotonic(), 0)
            async with asyncio.timeout(min(self.patience, left)):
                frame = await _read(process.stdout)
            answers += ANSWERS.decode(frame)

    async def _started(self) -> asyncio.subprocess.Process | Child:
        if self._process is None or self._process.returncode is not None:
            born = await self.nursery.child() if self.nursery is not None else None
            self._process = process = born or await _program()
            if process.stdin is not None and process.stdout is not None:
                async with asyncio.timeout(START_SECONDS):
                    await _write(process.stdin, msgspec.json.encode(self.office))
                    await _read(process.stdout)
        return self._process

    async def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await _end(process)


async def _program() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        render.__name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process | Child) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _write(pipe: asyncio.StreamWriter, frame: bytes) -> None:
    pipe.write(len(frame).to_bytes(LENGTH) + frame)
    await pipe.drain()


async def _read(pipe: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await pipe.readexactly(LENGTH))
    return await pipe.readexactly(size)


def _batch(jobs: Sequence[Job], now: datetime, seconds: float) -> Batch:
    campaigns: dict[tuple[str, str], int] = {}
    sent: list[Campaign] = []
    tasks = []
    for job in jobs:
        place = None
        if job.campaign is not None:
            key = (job.campaign.workspace, job.campaign.campaign_id)
            place = campaigns.setdefault(key, len(sent))
            if place == len(sent):
                sent.append(job.campaign)
        tasks.append(
            Task(
                job.claimed,
                job.address,
                job.state,
                place,
                job.content,
                job.language,
                job.coupon,
                dict(job.data),
            )
        )
    return Batch(seconds, now, campaigns=sent, tasks=tasks)


def _rest(batch: Batch, done: int, one_by_one: bool) -> Batch:  # noqa: FBT001 - a field of it
    """What is not answered yet; only one of its lists has anything in it."""
    return msgspec.structs.replace(
        batch,
        one_by_one=one_by_one,
        tasks=batch.tasks[done:],
        check=batch.check[done:],
        drafts=batch.drafts[done:],
        snippets=batch.snippets[done:],
        views=batch.views[done:],
    )


def _refusal(answer: Answered) -> Refusal:
    return Refusal(answer.refused or "template: it can't be made")


def _outcome(answer: Answered | None) -> Answer | NotYet:
    if answer is None:
        return NOT_YET
    return answer.mail or answer.said or Refusal(answer.refused or "not rendered")


def _hung(error: BaseException) -> str:
    what = "it does not end" if isinstance(error, TimeoutError) else "the renderer died of it"
    return f"template: {what}"
