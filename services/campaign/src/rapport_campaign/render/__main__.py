"""The process that renders: a template can cost its own message, and nobody else anything.

It counts processor time, which other load does not move. `renderer` starts it, asks it, and ends it
when it does not answer.
"""

import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import BinaryIO

import msgspec

from rapport_campaign.render.amp import amp_problems
from rapport_campaign.render.authoring import Draft, Piecework, looked_at, made
from rapport_campaign.render.compose import Composer, Job, Office
from rapport_campaign.render.preview import View, seen
from rapport_campaign.render.saying import Spoken
from rapport_campaign.render.templates import TemplateError, problems
from rapport_campaign.render.variables import EXISTING, OF_REQUESTS
from rapport_campaign.render.wire import LENGTH, Answered, Batch, Source, Task

CHUNK = 25
"""Answers that come together, if they come quickly."""
CHUNK_SECONDS = 0.05
"""Of processor."""

_Asked = Task | Source | Draft | Piecework | View


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
    decoder = msgspec.json.Decoder(Batch)
    # Ready: what is slow from now on is a template.
    _give(outgoing, [])
    while (frame := _take(incoming)) is not None:
        batch = decoder.decode(frame)
        ready: list[Answered] = []
        used = 0.0
        for asked in batch.asked:
            answer, took = _guarded(batch, asked, composer)
            ready.append(answer)
            used += took
            if batch.one_by_one or used > CHUNK_SECONDS or len(ready) == CHUNK:
                _give(outgoing, ready)
                ready, used = [], 0.0
        if ready:
            _give(outgoing, ready)


def _guarded(batch: Batch, asked: _Asked, composer: Composer) -> tuple[Answered, float]:
    """An answer, and the seconds of processor that it took."""
    left = 0.0
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, batch.seconds)
        try:
            answer = _answered(batch, asked, composer)
        finally:
            left, _ = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _OutOfTimeError:
        answer = Answered(refused=f"template: it takes more than {batch.seconds:g} s")
    return answer, batch.seconds - left


def _answered(batch: Batch, asked: _Asked, composer: Composer) -> Answered:
    try:
        if not isinstance(asked, Task):
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
            asked.data,
        )
        found = composer.compose(job, batch.now)
        return Answered(said=found) if isinstance(found, Spoken) else Answered(mail=found)
    except TemplateError as error:
        return Answered(refused=error.told)
    except Exception as error:  # noqa: BLE001 - one mail, and the next is none of its business
        # Ours to mend, and no reason to hold up everybody else's mail.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        # Not the error's words: they could be the person's data.
        sys.stderr.write(f"mail not rendered: {type(error).__name__} at {where}\n")
        return Answered(refused="not rendered: something broke on our side")


def _of_an_author(asked: Source | Draft | Piecework | View) -> Answered:
    if isinstance(asked, Source):
        existing = OF_REQUESTS if asked.of_request else EXISTING
        found = problems(asked.text, html=asked.html, existing=existing)
        return Answered(problems=found + (amp_problems(asked.text) if asked.amp else []))
    if isinstance(asked, View):
        return Answered(sight=seen(asked))
    return Answered(made=made(asked) if isinstance(asked, Draft) else looked_at(asked))


def _out_of_time(_number: int, _frame: FrameType | None) -> None:
    raise _OutOfTimeError


def _take(pipe: BinaryIO) -> bytes | None:
    head = pipe.read(LENGTH)
    if len(head) < LENGTH:
        return None
    size = int.from_bytes(head)
    frame = pipe.read(size)
    return frame if len(frame) == size else None


def _give(pipe: BinaryIO, answers: Sequence[Answered]) -> None:
    frame = msgspec.msgpack.encode(answers)
    pipe.write(len(frame).to_bytes(LENGTH) + frame)
    pipe.flush()


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(sys.stdin.buffer, sys.stdout.buffer)
