"""Campaigns are on segments that there are: waiting for a new one, and refusing what is none."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.segments import Segment, nearest, refusal
from rapport_campaign.settings import Settings
from rapport_campaign.store import segments
from rapport_common.errors import InvalidRequestError
from rapport_common.listening import listen

COMPARED = 200
"""So many segments are looked through for the one that was meant."""


class UnknownSegmentError(InvalidRequestError):
    """A campaign on a segment that does not exist, or not any more."""

    code = "unknown_segment"

    def __init__(self, problem: str, known: Sequence[Segment]) -> None:
        details = {
            "problems": [{"path": "segment_id", "message": problem}],
            "known": [{"id": one.segment_id, "name": one.name} for one in known],
        }
        super().__init__(f"segment_id: {problem}", details=details)


async def require_living(tx: AsyncConnection, workspace: str, segment_id: str) -> None:
    """UnknownSegmentError when no campaign can be on this segment."""
    found = (await segments.find(tx, [(workspace, segment_id)])).get((workspace, segment_id))
    if found is not None and found.archived_at is None:
        return
    known = nearest(segment_id, await segments.newest(tx, workspace, COMPARED))
    problem = refusal(segment_id, found, known)
    if problem is not None:
        raise UnknownSegmentError(problem, known)


def can_be_an_id(text: str) -> bool:
    """Whether a segment may have this id; a name, for example, never becomes one."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


class Arrivals:
    """Waits for segments whose definition may be on its way: they come a moment after the answer
    of the segment service. `seconds` is the longest; `url` is the database's.
    """

    def __init__(self, engine: AsyncEngine, url: str, seconds: float) -> None:
        self._engine = engine
        self._url = url
        self._seconds = seconds
        self._waiting: set[asyncio.Event] = set()
        self._line: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, engine: AsyncEngine, settings: Settings) -> Self:
        """As long as an operator has set."""
        url = settings.database_url.get_secret_value()
        return cls(engine, url, settings.segment_wait_seconds)

    async def wait_for(self, workspace: str, segment_id: str) -> None:
        """Return when the segment is known, or can't be expected any more: then ask again."""

        async def is_known() -> bool:
            async with self._engine.begin() as tx:
                return bool(await segments.find(tx, [(workspace, segment_id)]))

        if can_be_an_id(segment_id) and not await is_known():
            await self._until(is_known)

    async def wait_for_all(self, workspace: str, segment_ids: Iterable[str]) -> None:
        """The same of several; all together take no longer than one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                for segment_id in segment_ids:
                    await self.wait_for(workspace, segment_id)

    async def _until(self, is_known: Callable[[], Awaitable[bool]]) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._seconds
        news = asyncio.Event()
        self._waiting.add(news)
        if self._line is None:
            # One for all who wait, and none while nobody does.
            hearing = listen(self._url, segments.CHANNEL, self._tell)
            self._line = loop.create_task(hearing, name="segment-listen")
        try:
            with suppress(TimeoutError):
                while True:
                    async with asyncio.timeout_at(ends):
                        await news.wait()
                    news.clear()
                    if await is_known():
                        return
        finally:
            self._waiting.discard(news)
            if not self._waiting:
                self._line.cancel()
                self._line = None

    def _tell(self) -> None:
        for one in self._waiting:
            one.set()
