"""The process that renders: a template can cost its own message, and nobody else anything.

A renderer takes a batch of jobs and answers one by one, so that what it hangs on is known. It
counts processor time, which other load does not move, and is ended when it does not answer: then
the rest of the batch goes to a fresh one. Requests are JSON, answers MessagePack, each behind its
length in four bytes; the key of the links comes by the same way, never by an argument.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Any, BinaryIO, Literal

import msgspec

from rapport_campaign.domain.model import Campaign, Claimed, Content, State
from rapport_campaign.render.authoring import Draft, Made, Piecework, looked_at, made
from rapport_campaign.render.compose import Composer, Job, Mail, Office
from rapport_campaign.render.preview import Sight, View, seen
from rapport_campaign.render.saying import Spoken
from rapport_campaign.render.templates import Problem, TemplateError, problems
from rapport_campaign.render.variables import EXISTING, OF_REQUESTS

LENGTH = 4
START_SECONDS = 60.0
CHECK_SECONDS = 60.0
AUTHOR_SECONDS = 15.0
"""For what an author has written: others who write wait for it."""
AUTHORS = 5.0
"""So many times as long as a mail a template may take, which is made once."""
GOOD_BYE_SECONDS = 1.0
TRIES = 2
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No mail can be made of a job, and why."""

    reason: str


class Source(msgspec.Struct, frozen=True):
    """A template to be checked."""

    text: str
    html: bool
    of_request: bool = False


class _Task(msgspec.Struct, frozen=True):
    """A job without its campaign, which many jobs of a batch share."""

    claimed: Claimed
    address: str
    state: State | None
    campaign: int | None
    content: Content | None
    language: str | None = None
    coupon: str | None = None


class _Batch(msgspec.Struct, frozen=True):
    """What a renderer is asked, one kind of thing at a time: to make mails, to look at templates,
    to make templates of what authors write, or to show them.
    """

    seconds: float
    now: datetime = EPOCH
    campaigns: list[Campaign] = []
    tasks: list[_Task] = []
    check: list[Source] = []
    drafts: list[Draft] = []
    snippets: list[Piecework] = []
    views: list[View] = []

    @property
    def asked(self) -> list[Any]:
        """All of it, in its order."""
        return [*self.tasks, *self.check, *self.drafts, *self.snippets, *self.views]


class _Answer(msgspec.Struct, frozen=True):
    """What comes back for one job or template."""

    mail: Mail | None = None
    said: Spoken | None = None
    problems: list[Problem] = []
    made: Made | None = None
    sight: Sight | None = None
    refused: str | None = None


class RendererError(RuntimeError):
    """A renderer can't be started."""


Answer = Mail | Spoken | Refusal
NotYet = Literal["not yet"]
NOT_YET: NotYet = "not yet"


@dataclass
class Renderer:
    """One such process, started when it is first needed and again when it had to be ended.

    One job may take `seconds` of processor time. A process that is silent for `patience` seconds
    is ended: it is frozen, or in a call that can't be interrupted.
    """

    office: Office
    seconds: float
    patience: float = 30.0
    _process: asyncio.subprocess.Process | None = None
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
        batch = _Batch(self.seconds, check=list(sources))
        found = await self._all(batch, len(sources), time.monotonic() + CHECK_SECONDS)
        tired = [Problem("the template takes too long to read")]
        return [tired if one is None or one.refused else one.problems for one in found]

    async def make(self, drafts: Sequence[Draft]) -> list[Made | Refusal]:
        """What mails are made of in each language of a template, or what is wrong with it."""
        found = await self._of_authors(_Batch(self.seconds * AUTHORS, drafts=list(drafts)))
        return [one.made or _refusal(one) for one in found]

    async def look(self, snippet: Piecework) -> Made | Refusal:
        """What is wrong with a snippet."""
        [found] = await self._of_authors(_Batch(self.seconds * AUTHORS, snippets=[snippet]))
        return found.made or _refusal(found)

    async def show(self, view: View) -> Sight | Refusal:
        """A template as somebody would get it."""
        [found] = await self._of_authors(_Batch(self.seconds, views=[view]))
        return found.sight or _refusal(found)

    async def _of_authors(self, batch: _Batch) -> list[_Answer]:
        found = await self._all(batch, len(batch.asked), time.monotonic() + AUTHOR_SECONDS)
        return [one or _Answer(refused="template: it takes too long") for one in found]

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

    async def _all(self, batch: _Batch, number: int, until: float) -> list[_Answer | None]:
        """Every answer of a batch, whatever becomes of the process; None where time ran out."""
        answers: list[_Answer | None] = []
        deaths = 0
        async with self._lock:
            while len(answers) < number and time.monotonic() < until:
                before = len(answers)
                try:
                    await self._ask(_rest(batch, before), answers, until)
                except (TimeoutError, EOFError, OSError) as error:
                    await self._drop()
                    deaths = deaths + 1 if len(answers) == before else 1
                    if deaths >= TRIES and time.monotonic() < until:
                        # The process ended twice at the same job: it is the job.
                        answers.append(_Answer(refused=_hung(error)))
                        deaths = 0
                except BaseException:
                    # What it would still answer is for nobody.
                    await self._drop()
                    raise
        return answers + [None] * (number - len(answers))

    async def _ask(self, batch: _Batch, answers: list[_Answer | None], until: float) -> None:
        process = await self._started()
        if process.stdin is None or process.stdout is None:
            raise RendererError("the renderer has no pipes")
        async with asyncio.timeout(self.patience):
            await _write(process.stdin, msgspec.json.encode(batch))
        for _ in batch.asked:
            left = max(until - time.monotonic(), 0)
            async with asyncio.timeout(min(self.patience, left)):
                frame = await _read(process.stdout)
            answers.append(msgspec.msgpack.decode(frame, type=_Answer))

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            if process.stdin is not None and process.stdout is not None:
                async with asyncio.timeout(START_SECONDS):
                    await _write(process.stdin, msgspec.json.encode(self.office))
                    await _read(process.stdout)
        return self._process

    async def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _write(pipe: asyncio.StreamWriter, frame: bytes) -> None:
    pipe.write(len(frame).to_bytes(LENGTH) + frame)
    await pipe.drain()


async def _read(pipe: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await pipe.readexactly(LENGTH))
    return await pipe.readexactly(size)


def _batch(jobs: Sequence[Job], now: datetime, seconds: float) -> _Batch:
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
            _Task(
                job.claimed,
                job.address,
                job.state,
                place,
                job.content,
                job.language,
                job.coupon,
            )
        )
    return _Batch(seconds, now, sent, tasks)


def _rest(batch: _Batch, done: int) -> _Batch:
    """What is not answered yet; only one of its lists has anything in it."""
    return msgspec.structs.replace(
        batch,
        tasks=batch.tasks[done:],
        check=batch.check[done:],
        drafts=batch.drafts[done:],
        snippets=batch.snippets[done:],
        views=batch.views[done:],
    )


def _refusal(answer: _Answer) -> Refusal:
    return Refusal(answer.refused or "template: it can't be made")


def _outcome(answer: _Answer | None) -> Answer | NotYet:
    if answer is None:
        return NOT_YET
    return answer.mail or answer.said or Refusal(answer.refused or "not rendered")


def _hung(error: BaseException) -> str:
    what = "it does not end" if isinstance(error, TimeoutError) else "the renderer died of it"
    return f"template: {what}"


# --- in the process itself -------------------------------------------------------------------


_Asked = _Task | Source | Draft | Piecework | View


class _OutOfTimeError(BaseException):
    """Passes through whatever a template engine catches."""


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer batches until the other side closes."""
    # The sender's process decides about our end: by closing the pipe, or by ending us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGVTALRM, _out_of_time)
    office = _take(incoming)
    if office is None:
        return
    composer = Composer(msgspec.json.decode(office, type=Office))
    decoder = msgspec.json.Decoder(_Batch)
    # Ready: what is slow from now on is a template.
    _give(outgoing, _Answer())
    while (frame := _take(incoming)) is not None:
        batch = decoder.decode(frame)
        for asked in batch.asked:
            _give(outgoing, _guarded(batch, asked, composer))


def _guarded(batch: _Batch, asked: _Asked, composer: Composer) -> _Answer:
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, batch.seconds)
        try:
            return _answered(batch, asked, composer)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _OutOfTimeError:
        return _Answer(refused=f"template: it takes more than {batch.seconds:g} s")


def _answered(batch: _Batch, asked: _Asked, composer: Composer) -> _Answer:
    try:
        if not isinstance(asked, _Task):
            return _of_an_author(asked)
        campaign = batch.campaigns[asked.campaign] if asked.campaign is not None else None
        job = Job(
            asked.claimed,
            asked.address,
            asked.state,
            campaign,
            asked.content,
            asked.language,
            asked.coupon,
        )
        found = composer.compose(job, batch.now)
        return _Answer(said=found) if isinstance(found, Spoken) else _Answer(mail=found)
    except TemplateError as error:
        return _Answer(refused=error.told)
    except Exception as error:  # noqa: BLE001 - one mail, and the next is none of its business
        # Ours to mend, and no reason to hold up everybody else's mail.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        # Not the error's words: they could be the person's data.
        sys.stderr.write(f"mail not rendered: {type(error).__name__} at {where}\n")
        return _Answer(refused="not rendered: something broke on our side")


def _of_an_author(asked: Source | Draft | Piecework | View) -> _Answer:
    if isinstance(asked, Source):
        existing = OF_REQUESTS if asked.of_request else EXISTING
        return _Answer(problems=problems(asked.text, html=asked.html, existing=existing))
    if isinstance(asked, View):
        return _Answer(sight=seen(asked))
    return _Answer(made=made(asked) if isinstance(asked, Draft) else looked_at(asked))


def _out_of_time(_number: int, _frame: FrameType | None) -> None:
    raise _OutOfTimeError


def _take(pipe: BinaryIO) -> bytes | None:
    head = pipe.read(LENGTH)
    if len(head) < LENGTH:
        return None
    size = int.from_bytes(head)
    frame = pipe.read(size)
    return frame if len(frame) == size else None


def _give(pipe: BinaryIO, answer: _Answer) -> None:
    frame = msgspec.msgpack.encode(answer)
    pipe.write(len(frame).to_bytes(LENGTH) + frame)
    pipe.flush()


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(sys.stdin.buffer, sys.stdout.buffer)
