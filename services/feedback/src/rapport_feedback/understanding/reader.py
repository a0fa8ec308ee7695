"""Who asks the process that reads texts: it is started when it is needed, and ended when it hangs.

A text that it dies of, or is silent about for too long, has failed; those after it go to a fresh
process.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from rapport_feedback import understanding
from rapport_feedback.understanding.wire import ANSWERED, Batch, Failed, Learned, Lesson, Read

LINE = 64 * 2**20
"""A line is no longer: a model of some topics is a megabyte."""

PATIENCE = 10.0
"""Seconds without an answer about one text, which takes milliseconds: the process hangs."""

LESSON_PATIENCE = 300.0
HUNG = "takes too long"
DIED = "ended the process"


@dataclass
class Reader:
    """One such process; asked by one at a time."""

    patience: float = PATIENCE
    lesson_patience: float = LESSON_PATIENCE
    program: Sequence[str] = ("-m", understanding.__name__)
    last_sign: float = 0.0
    """When something was heard of it, of the monotonic clock."""

    _process: asyncio.subprocess.Process | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, batch: Batch) -> list[Read | Failed]:
        """What each text says, in their order."""
        found: list[Read | Failed] = []
        async with self._lock:
            while len(found) < len(batch.texts):
                rest = msgspec.structs.replace(batch, texts=batch.texts[len(found) :])
                try:
                    process = await self._asked(rest)
                    while len(found) < len(batch.texts):
                        answer = await self._line(process, self.patience)
                        found.append(answer if isinstance(answer, Read | Failed) else Failed(DIED))
                except (TimeoutError, EOFError, OSError, ValueError) as error:
                    await self._drop()
                    found.append(Failed(_why(error)))
                except BaseException:
                    # What it would still answer is for nobody.
                    await self._drop()
                    raise
        return found

    async def learn(self, lesson: Lesson) -> Learned | Failed:
        """What a language's texts teach."""
        async with self._lock:
            try:
                answer = await self._line(await self._asked(lesson), self.lesson_patience)
            except (TimeoutError, EOFError, OSError, ValueError) as error:
                await self._drop()
                return Failed(_why(error))
            except BaseException:
                await self._drop()
                raise
        return Failed(DIED) if isinstance(answer, Read) else answer

    async def close(self) -> None:
        """End the process."""
        await self._drop()

    async def _asked(self, asked: Batch | Lesson) -> asyncio.subprocess.Process:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
                limit=LINE,
            )
        if process.stdin is not None:
            process.stdin.write(msgspec.json.encode(asked) + b"\n")
            async with asyncio.timeout(self.patience):
                await process.stdin.drain()
        return process

    async def _line(
        self, process: asyncio.subprocess.Process, patience: float
    ) -> Read | Learned | Failed:
        self.last_sign = time.monotonic()
        if process.stdout is None:
            raise EOFError(DIED)
        async with asyncio.timeout(patience):
            line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError(DIED)
        answer: Read | Learned | Failed = ANSWERED.decode(line)
        return answer

    async def _drop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _why(error: Exception) -> str:
    return HUNG if isinstance(error, TimeoutError) else DIED
