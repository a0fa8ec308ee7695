"""The event catalogue, learnt from traffic: gathered in memory and merged into Postgres."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.events.envelope import Event
from rapport_ingest import metrics
from rapport_ingest.domain.catalogue import OTHER, Learnt, Shape, example_of, learn, merged
from rapport_ingest.domain.source import Caller
from rapport_ingest.store import catalogue as store
from rapport_ingest.store.catalogue import EventName

log = logging.get(__name__)

FLUSH_SECONDS = 2.0
MAX_ENTRIES = 2000
"""Event names kept of a source; those beyond are counted as `(other)`."""

MAX_NAME_BYTES = 512
WHOLE = 20
"""So many events of a name are looked at by each process before it takes samples only."""

EVERY = 100
KNOWN = 120
EVERY_KNOWN = 500
"""After so many were looked at, one in 500: a look takes about 50 µs."""

AT_LEAST = timedelta(seconds=10)


class _Entry:
    """What was learnt of an event name since the last flush, and when to look at one again."""

    __slots__ = (
        "due",
        "events",
        "example",
        "first_seen",
        "key",
        "last_seen",
        "left",
        "looked_at",
        "samples",
        "shape",
        "stored",
    )

    def __init__(self, key: EventName, now: datetime) -> None:
        self.key = key
        self.stored = False
        self.looked_at = 0
        self.left = 1
        self.due = now
        self.reset(now)

    def reset(self, now: datetime) -> None:
        self.events = 0
        self.samples = 0
        self.first_seen = self.last_seen = now
        self.shape: Shape = {}
        self.example: dict[str, Any] | None = None

    def taken(self) -> Learnt:
        """What was learnt, which is forgotten here."""
        found = Learnt(
            self.events, self.samples, self.first_seen, self.last_seen, self.shape, self.example
        )
        self.reset(self.last_seen)
        return found

    def give_back(self, learnt: Learnt) -> None:
        both = merged(learnt, self.taken()) if self.events else learnt
        self.events, self.samples = both.events, both.samples
        self.first_seen, self.last_seen = both.first_seen, both.last_seen
        self.shape, self.example = both.shape, both.example


class Cataloguing:
    """Learns which events a source sends, what is in them and how often."""

    name = "catalogue"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str, str, str | None], _Entry] = {}
        self._entries: dict[EventName, _Entry] = {}
        self._sizes: dict[Caller, int] = defaultdict(int)

    def note(self, event: Event, fields: dict[str, Any]) -> None:
        """An event is about to be accepted; `fields` is it decoded. Cheap once a shape is known."""
        entry = self._known.get((event.workspace, event.source, event.type, event.name))
        if entry is None:
            entry = self._new(event)
        now = event.received_at
        if not entry.events:
            entry.first_seen = now
        entry.events += 1
        entry.last_seen = now
        entry.left -= 1
        if entry.left <= 0 or now >= entry.due:
            _look(entry, fields, now)

    def _new(self, event: Event) -> _Entry:
        """The entry of an event not known here, `(other)` when the source has too many."""
        caller = Caller(event.workspace, event.source)
        name = event.name or ""
        room = self._sizes[caller] < MAX_ENTRIES and len(name.encode()) <= MAX_NAME_BYTES
        if not room:
            return self._entry(_other(caller), event.received_at)
        self._sizes[caller] += 1
        entry = self._entry(EventName(*_pair(caller), event.type, name), event.received_at)
        self._known[event.workspace, event.source, event.type, event.name] = entry
        return entry

    def _entry(self, key: EventName, now: datetime) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(key, now)
        return entry

    async def flush(self) -> None:
        """Merge what was learnt into Postgres; what can't be stored now is kept."""
        taken = {key: one.taken() for key, one in self._entries.items() if one.events}
        if not taken:
            return
        try:
            async with self._engine.begin() as tx:
                folded = await self._fold(tx, taken)
                await store.merge(tx, folded)
        except BaseException as error:
            if isinstance(error, SQLAlchemyError) and not is_retriable(error):
                # Figures are not worth the front door; the same ones would fail for ever.
                metrics.UNSTORED.labels("catalogue").inc(len(taken))
                log.exception("a piece of the catalogue given up", entries=len(taken))
                return
            for key, learnt in taken.items():
                self._entries[key].give_back(learnt)
            raise
        self._settle(taken.keys() - folded.keys(), folded.keys())

    async def _fold(
        self, tx: AsyncConnection, taken: dict[EventName, Learnt]
    ) -> dict[EventName, Learnt]:
        """The same, but with the new names of full sources together as `(other)`."""
        new = {key for key in taken if not self._entries[key].stored and key.type != OTHER}
        if not new:
            return taken
        new -= await store.known(tx, new)
        callers = {Caller(key.workspace, key.source) for key in new}
        sizes = await store.sizes(tx, callers)
        folded: dict[EventName, Learnt] = {}
        for key in sorted(taken):
            caller = Caller(key.workspace, key.source)
            target = key
            if key in new:
                full = sizes.get(caller, 0) >= MAX_ENTRIES
                sizes[caller] = sizes.get(caller, 0) + 1
                target = _other(caller) if full else key
            before = folded.get(target)
            folded[target] = taken[key] if before is None else merged(before, taken[key])
        return folded

    def _settle(self, gone: set[EventName], stored: Any) -> None:
        """Count from now on as `(other)` what was stored so."""
        for key in stored:
            if key in self._entries:
                self._entries[key].stored = True
        for key in gone:
            caller = Caller(key.workspace, key.source)
            other = self._entry(_other(caller), self._entries[key].last_seen)
            lost = self._entries.pop(key)
            if lost.events:  # noted while the others were stored
                other.give_back(lost.taken())
            for name in (key.name, None):
                known = (key.workspace, key.source, key.type, name)
                if self._known.get(known) is lost:
                    self._known[known] = other

    async def run(self, stop: asyncio.Event) -> None:
        """Merge what was learnt into Postgres, until `stop` and a last time then."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await stop.wait()
            try:
                await self.flush()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("catalogue not stored, trying again", error=error)


def _look(entry: _Entry, fields: dict[str, Any], now: datetime) -> None:
    """Learn from one event, and say when the next one is due."""
    learn(entry.shape, fields)
    entry.samples += 1
    if entry.example is None:
        entry.example = example_of(fields, _text(now))
    entry.looked_at += 1
    entry.left = 1 if entry.looked_at < WHOLE else EVERY
    if entry.looked_at >= KNOWN:
        entry.left = EVERY_KNOWN
    entry.due = now + AT_LEAST


def _text(moment: datetime) -> str:
    """RFC 3339 of one length, so that texts sort as their moments do."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _other(caller: Caller) -> EventName:
    return EventName(caller.workspace, caller.source, OTHER, OTHER)


def _pair(caller: Caller) -> tuple[str, str]:
    return caller.workspace, caller.source
