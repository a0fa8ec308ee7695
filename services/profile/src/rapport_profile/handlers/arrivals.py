"""Waiting for one's own event: who has just sent it asks again when it has been applied.

Where the consumer is in the same process its commit wakes who waits. Else the database is asked,
for all who wait at once, and by nobody while nobody waits.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.errors import ConflictError
from rapport_common.events.envelope import Event
from rapport_common.limits import WorkspaceLimit
from rapport_profile.store import inbox
from rapport_profile.store.inbox import MessageKey

log = logging.get(__name__)

WAIT_SECONDS = 2.0
LOOK_SECONDS = 0.1
EACH_WORKSPACE = 200
TOTAL = 1_000


class NotAppliedError(ConflictError):
    """The event that was to be applied first is not, yet or at all."""

    code = "not_applied"

    def __init__(self, key: MessageKey, seconds: float) -> None:
        _workspace, source, message_id = key
        message = (
            f"after: event '{message_id}' of source '{source}' has not been applied within "
            f"{seconds:g} s. Ask again if it may be on its way, or leave `after` out to see "
            "what is there without it."
        )
        details = {"message_id": message_id, "source": source}
        super().__init__(message, details=details, headers={"Retry-After": "1"})


class Arrivals:
    """Who waits in this process for which events."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        seconds: float = WAIT_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        limit: WorkspaceLimit | None = None,
    ) -> None:
        """`seconds`: the longest that somebody waits; `look_seconds`: so often is looked."""
        self._engine = engine
        self._seconds = seconds
        self._look_seconds = look_seconds
        self._limit = limit or WorkspaceLimit(
            "requests that wait for an event", each=EACH_WORKSPACE, total=TOTAL
        )
        self._waiting: dict[MessageKey, list[asyncio.Future[None]]] = {}
        self._nobody = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def is_looking(self) -> bool:
        """Whether the database is asked again and again."""
        return self._looking is not None

    async def require(self, key: MessageKey | None) -> None:
        """Return when an event has been applied; None: no event is waited for.

        NotAppliedError when that takes too long, BusyError when too many wait.
        """
        if key is None:
            return
        with self._limit.place(key[0]):
            news = asyncio.get_running_loop().create_future()
            # Before it is looked for: what is applied meanwhile is heard of.
            self._waiting.setdefault(key, []).append(news)
            try:
                await self.look([key])
                if not news.done():
                    self._look_out()
                    await asyncio.wait({news}, timeout=self._seconds)
                if not news.done():
                    raise NotAppliedError(key, self._seconds)
            finally:
                self._forget(key, news)

    def applied(self, events: Iterable[Event]) -> None:
        """These events have been applied, and it is committed."""
        if self._waiting:
            self._tell((one.workspace, one.source, one.message_id) for one in events)

    async def look(self, keys: Sequence[MessageKey]) -> None:
        """Look which of these events have been applied."""
        async with self._engine.begin() as tx:
            found = await inbox.applied(tx, keys)
        self._tell(found)

    def _tell(self, keys: Iterable[MessageKey]) -> None:
        for key in keys:
            for news in self._waiting.get(key, ()):
                if not news.done():
                    news.set_result(None)

    def _forget(self, key: MessageKey, news: "asyncio.Future[None]") -> None:
        self._waiting[key].remove(news)
        if not self._waiting[key]:
            del self._waiting[key]
        if not self._waiting:
            self._nobody.set()

    def _look_out(self) -> None:
        self._nobody.clear()
        if self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.create_task(self._look_for_all(), name="event-arrivals")

    async def _look_for_all(self) -> None:
        """Look for all who wait, again and again, for as long as somebody does."""
        try:
            while await self._somebody_waits():
                try:
                    await self.look(list(self._waiting))
                except Exception as error:
                    if not is_retriable(error):
                        raise
                    log.warning("can't look for events that are waited for", error=error)
        finally:
            self._looking = None

    async def _somebody_waits(self) -> bool:
        """Whether somebody still waits after a while; False at once when nobody does any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_seconds):
                await self._nobody.wait()
        return bool(self._waiting)
