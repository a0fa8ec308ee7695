"""Tracking plans at work: what an event breaks is counted, and refused where the plan says so."""

import asyncio
import re
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.events.envelope import Event
from rapport_ingest import metrics
from rapport_ingest.domain.plan import Violation
from rapport_ingest.domain.planned import UNPLANNED, breach
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.verdict import Refusal
from rapport_ingest.store import violations as store
from rapport_ingest.store.violations import Broken, Count, Counts

log = logging.get(__name__)

FLUSH_SECONDS = 1.0
MAX_PENDING = 10_000
MAX_KINDS = 1000
"""So many kinds of violations a source may have in a process; more are counted as one, by rule."""

MAX_BYTES = 512
OTHER = "(other)"

_INDEX = re.compile(r"\[[0-9]+\]")


class Planning:
    """Checks events against their source's plan and stores what they break."""

    name = "plans"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._pending: Counts = {}
        self._kinds: dict[Caller, set[Broken]] = {}

    def check(self, sender: Sender, event: Event, fields: dict[str, Any]) -> Refusal | None:
        """The refusal where the source's plan rejects the event; `fields` is it decoded."""
        found = breach(sender, event, fields)
        if found is None:
            return None
        kind = UNPLANNED if found.unplanned else "violation"
        metrics.VIOLATIONS.labels(kind, found.action).inc()
        self._note(sender.caller, event, found.version, found.found)
        return found.refusal(event)

    def _note(self, caller: Caller, event: Event, version: str, found: list[Violation]) -> None:
        noted: set[Broken] = set()
        for one in found:
            broken = self._bounded(caller, _broken(caller, event, version, one))
            if broken in noted:
                continue
            noted.add(broken)
            at = event.received_at
            self._add(broken, Count(1, at, at, one.message, event.message_id))

    def _bounded(self, caller: Caller, broken: Broken) -> Broken:
        """The same, or where a source breaks too many rules in too many places, one for all."""
        kinds = self._kinds.setdefault(caller, set())
        if broken not in kinds:
            if len(kinds) >= MAX_KINDS:
                return broken._replace(name=OTHER, version="", path="")
            kinds.add(broken)
        return broken

    def _add(self, broken: Broken, count: Count) -> None:
        known = self._pending.get(broken)
        if known is not None:
            known.add(count)
        elif len(self._pending) < MAX_PENDING:
            self._pending[broken] = count
        else:
            metrics.UNSTORED.labels("violation").inc()

    async def flush(self) -> None:
        """Store what was counted; what can't be stored now is kept for the next time."""
        taken, self._pending = self._pending, {}
        if not taken:
            return
        try:
            async with self._engine.begin() as tx:
                await store.add(tx, taken)
        except BaseException as error:
            if isinstance(error, SQLAlchemyError) and not is_retriable(error):
                # Figures are not worth the front door; the same ones would fail for ever.
                metrics.UNSTORED.labels("violation").inc(len(taken))
                log.exception("violations given up", count=len(taken))
                return
            for broken, count in taken.items():
                self._add(broken, count)
            raise

    async def run(self, stop: asyncio.Event) -> None:
        """Store the violations seen, until `stop` and a last time then."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await stop.wait()
            try:
                await self.flush()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("violations not stored, trying again", error=error)


def _broken(caller: Caller, event: Event, version: str, violation: Violation) -> Broken:
    """What is counted as one: the same rule at the same field, in whichever element of an array."""
    return Broken(
        caller.workspace,
        caller.source,
        event.type,
        _cut(event.name or ""),
        _cut(version, 64),
        _cut(_INDEX.sub("[]", violation.path)),
        violation.rule[:64],
    )


def _cut(text: str, most: int = MAX_BYTES) -> str:
    """A text short enough for an index."""
    return text if len(text) * 4 <= most else text.encode()[:most].decode("utf-8", "ignore")
