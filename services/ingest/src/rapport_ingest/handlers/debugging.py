"""The live debugger: events with their verdicts, shown to whoever watches a source."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import msgspec

from rapport_common import logging
from rapport_common.errors import UnavailableError
from rapport_ingest import metrics
from rapport_ingest.domain import live
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.verdict import Result
from rapport_ingest.store.live import FAILURES, Line

log = logging.get(__name__)

MAX_STREAMS = 20
WATCH_SECONDS = 5.0
TICK_SECONDS = 1.0
AGAIN_SECONDS = 1.0
READY_SECONDS = 3.0
SHOWN_PER_SECOND = 50
MAX_OUTGOING = 1000
MAX_WAITING = 1000
TOLD_AT_ONCE = 100

Item = tuple[str, bytes]
"""The name of a server-sent event, and its data in JSON."""


@dataclass(slots=True)
class _Watched:
    """A source that somebody watches, in whatever process."""

    until: float
    second: float = 0.0
    shown: int = 0
    dropped: int = 0

    def room(self, events: int, now: float) -> int:
        """How many of `events` may be shown now; the others are dropped."""
        if now - self.second >= 1.0:
            self.second, self.shown = now, 0
        room = min(events, SHOWN_PER_SECOND - self.shown)
        self.shown += room
        self.dropped += events - room
        return room


@dataclass(slots=True, eq=False)
class Stream:
    """One watcher in this process."""

    caller: Caller
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.monotonic)
    heard_by: set[str] = field(default_factory=set)
    ready: bool = False
    ended: bool = False
    dropped: int = 0
    waiting: deque[Item] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, name: str, data: bytes) -> None:
        """Something to show; a watcher who reads too slowly is told how much it missed."""
        if len(self.waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        if self.dropped:
            missed, self.dropped = self.dropped, 0
            self.waiting.append(("dropped", b'{"events":%d}' % missed))
        self.waiting.append((name, data))
        self._wake.set()

    def end(self) -> None:
        """No more comes."""
        self.ended = True
        self._wake.set()

    async def take(self, seconds: float) -> list[Item]:
        """What there is to show, waited for so long; [] when nothing came, or no more comes."""
        if not self.waiting and not self.ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        self._wake.clear()
        found = list(self.waiting)
        self.waiting.clear()
        return found


class Debugging:
    """Carries events from the process that took them to the one that somebody watches.

    Each process keeps one connection on which it hears the others. Who watches a source says so
    once a second; who hears it shows the source's events for the next seconds. Nothing here waits
    for Postgres on a request's way: messages go to a bounded queue, and what is too much is
    dropped and counted.
    """

    name = "debugger"

    def __init__(self, listen_url: str) -> None:
        self._listen_url = listen_url
        self._process = uuid.uuid4().hex
        self._watched: dict[Caller, _Watched] = {}
        self._streams: list[Stream] = []
        self._outgoing: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._listeners = 0
        self._stopped = False

    def show(self, sending: Sending, results: Sequence[Result]) -> None:
        """The verdicts on a request, for whoever watches its source; free while nobody does."""
        watched = self._watched.get(sending.sender.caller)
        if watched is None:
            return
        now = time.monotonic()
        if now > watched.until:
            return
        for index in range(watched.room(len(results), now)):
            message = live.shown(
                sending.sender.caller,
                bytes(sending.items[index]),
                results[index],
                kind=sending.kind,
                dialect=sending.dialect,
                received_at=sending.received_at,
            )
            if not self._tell(message):
                watched.dropped += 1

    def require_room(self) -> None:
        """UnavailableError when this process can't take another watcher."""
        if self._stopped or len(self._streams) >= MAX_STREAMS:
            message = (
                f"This process shows live events to {len(self._streams)} watchers already, at most "
                f"{MAX_STREAMS} are possible. Close one, or try again in a moment."
            )
            raise UnavailableError(message, retry_after=5)

    @contextmanager
    def watch(self, caller: Caller) -> Iterator[Stream]:
        """A stream of a source's events, until it is left."""
        stream = Stream(caller)
        if self._stopped:
            stream.end()
        self._streams.append(stream)
        metrics.LIVE_STREAMS.set(len(self._streams))
        self._announce(stream)
        try:
            yield stream
        finally:
            self._streams.remove(stream)
            metrics.LIVE_STREAMS.set(len(self._streams))

    async def run(self, stop: asyncio.Event) -> None:
        """Carry until `stop`; all streams end then."""
        try:
            async with asyncio.TaskGroup() as group:
                carrying = group.create_task(self._carry())
                await stop.wait()
                carrying.cancel()
        finally:
            self.leave()

    def leave(self) -> None:
        """End all streams, with a last word."""
        self._stopped = True
        for one in self._streams:
            one.end()

    async def _carry(self) -> None:
        while True:
            try:
                line = await Line.open(self._listen_url, self._wake.set)
                try:
                    await self._speak(line)
                finally:
                    line.close()
            except FAILURES as error:
                log.warning("live events are not carried, trying again", error=error)
            self._interrupt()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _speak(self, line: Line) -> None:
        due = 0.0
        while not line.lost:
            now = time.monotonic()
            if now >= due:
                self._tick(now)
                due = now + TICK_SECONDS
            while line.has_news:
                for payload in await line.hear():
                    self._heard(payload)
            batch = [
                self._outgoing.popleft() for _ in range(min(TOLD_AT_ONCE, len(self._outgoing)))
            ]
            if batch:
                await line.tell(batch)
                continue
            if not all(one.ready for one in self._streams):
                self._listeners = await line.listeners()
                self._settle(time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._wake.wait()
            self._wake.clear()

    def _tick(self, now: float) -> None:
        for stream in self._streams:
            self._announce(stream)
        for caller, one in list(self._watched.items()):
            if one.dropped:
                metrics.LIVE_DROPPED.inc(one.dropped)
                message = live.Dropped(caller.workspace, caller.source, one.dropped)
                one.dropped = 0
                self._tell(live.encode(message))
            if now > one.until:
                del self._watched[caller]

    def _announce(self, stream: Stream) -> None:
        whose = stream.caller
        asks = None if stream.ready else stream.id
        self._tell(live.encode(live.Watch(whose.workspace, whose.source, asks)))

    def _tell(self, message: bytes) -> bool:
        if len(self._outgoing) >= MAX_OUTGOING:
            return False
        self._outgoing.append(message)
        self._wake.set()
        return True

    def _heard(self, payload: bytes) -> None:
        try:
            message = live.decode(payload)
        except msgspec.DecodeError:
            log.warning("a live message can't be read: are there processes of other versions?")
            return
        if isinstance(message, live.Heard):
            for stream in self._streams:
                if stream.id == message.stream:
                    stream.heard_by.add(message.process)
            self._settle(time.monotonic())
        elif isinstance(message, live.Watch):
            caller = Caller(message.workspace, message.source)
            until = time.monotonic() + WATCH_SECONDS
            self._watched.setdefault(caller, _Watched(until)).until = until
            if message.stream is not None:
                self._tell(live.encode(live.Heard(message.stream, self._process)))
        else:
            self._show(message)

    def _show(self, message: live.Shown | live.Dropped) -> None:
        caller = Caller(message.workspace, message.source)
        wanted = [one for one in self._streams if one.caller == caller]
        if not wanted:
            return
        if isinstance(message, live.Dropped):
            item = ("dropped", b'{"events":%d}' % message.events)
        else:
            told = msgspec.to_builtins(message)
            item = ("event", live.encode({k: v for k, v in told.items() if k not in _ADDRESS}))
        for one in wanted:
            one.put(*item)

    def _settle(self, now: float) -> None:
        """Tell those streams that they see everything whose watch all processes have heard."""
        for one in self._streams:
            late = now - one.began > READY_SECONDS
            by_all = len(one.heard_by) >= self._listeners > 0
            if not one.ready and self._process in one.heard_by and (late or by_all):
                one.ready = True
                one.put("ready", b'{"processes":%d}' % len(one.heard_by))

    def _interrupt(self) -> None:
        """The line is lost: what happens until it is there again is not seen."""
        metrics.LIVE_DROPPED.inc(len(self._outgoing))
        self._outgoing.clear()
        self._listeners = 0
        for one in self._streams:
            if one.ready:
                one.put("interrupted", b"{}")
            one.ready = False
            one.heard_by.clear()
            one.began = time.monotonic()


_ADDRESS = {"kind", "workspace", "source"}
