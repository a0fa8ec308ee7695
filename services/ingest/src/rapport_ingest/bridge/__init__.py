"""The bridge from MQTT: a broker hears that a message is taken only when it is kept for good."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from gmqtt.mqtt.handler import MQTTError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.errors import AppError
from rapport_ingest import metrics
from rapport_ingest.bridge.session import DONE, Session, Waiting, first_of, trust
from rapport_ingest.domain.bridging import (
    DIALECT,
    BridgeFile,
    BridgeSpec,
    Broker,
    Translator,
    caller_of,
    read_bridges,
)
from rapport_ingest.domain.dialects.originals import UnfitError, refusal
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.verdict import Refusal
from rapport_ingest.handlers.accept import Acceptor
from rapport_ingest.handlers.limits import Limits
from rapport_ingest.handlers.senders import senders_of
from rapport_ingest.store import bridges

log = logging.get(__name__)

RELEASE_SECONDS = 2.0
CHECK_SECONDS = 2.0
"""So often the lease is renewed and the source's policy read; the lease lasts 10 s."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
LONGEST_RETRY = 5.0
STOP_SECONDS = 5.0
BATCH = 500


class _SourceGoneError(Exception):
    """The source that a bridge names does not exist."""


class Bridge:
    """Brings the messages of a broker's topics to one source, as a worker of ingest."""

    def __init__(
        self,
        engine: AsyncEngine,
        acceptor: Acceptor,
        limits: Limits,
        spec: BridgeSpec,
        broker: Broker,
    ) -> None:
        self.name = f"mqtt-{spec.workspace}-{spec.id}"
        self._engine = engine
        self._acceptor = acceptor
        self._limits = limits
        self._spec = spec
        self._broker = broker
        self._translator = Translator(spec.topics)
        self._caller = caller_of(spec)
        self._holder = uuid.uuid4().hex
        self._label = f"{spec.workspace}/{spec.id}"
        self._tls = trust(broker)

    async def run(self, stop: asyncio.Event) -> None:
        """Hold the session while this process has the lease, until `stop`."""
        metrics.BRIDGE_CONNECTED.labels(self._label).set(0)
        pause = FIRST_PAUSE
        while not stop.is_set():
            began = time.monotonic()
            mine = await self._turn(stop)
            lasted = time.monotonic() - began > LONGEST_PAUSE
            pause = min(LONGEST_PAUSE, pause * 2) if mine and not lasted else FIRST_PAUSE
            await first_of(pause, stop)
        await self._release()

    async def _turn(self, stop: asyncio.Event) -> bool:
        """One session, to its end; False when another process has the bridge."""
        try:
            if not await self._claim():
                return False
            await self._session(stop, await self._sender())
        except (OSError, MQTTError, TimeoutError, _SourceGoneError) as error:
            log.warning("bridge not connected", bridge=self._label, error=error)
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("bridge waits for Postgres", bridge=self._label, error=error)
        return True

    async def _session(self, stop: asyncio.Event, sender: Sender) -> None:
        session = Session(self._spec, self._broker, self._translator, self._label)
        try:
            await session.connect(self._tls)
            log.info("bridge connected", bridge=self._label, resumed=session.resumed)
            metrics.BRIDGE_CONNECTED.labels(self._label).set(1)
            await self._serve(session, stop, sender)
        finally:
            metrics.BRIDGE_CONNECTED.labels(self._label).set(0)
            await session.close()
            metrics.BRIDGE_WAITING.labels(self._label).set(0)
            metrics.BRIDGE_AGE.labels(self._label).set(0)

    async def _serve(self, session: "Session", stop: asyncio.Event, sender: Sender) -> None:
        """Take in what comes until the connection is lost, the lease is, or `stop`."""
        checked = time.monotonic()
        size, pause = BATCH, FIRST_PAUSE
        while not stop.is_set() and not session.lost.is_set():
            if time.monotonic() - checked > CHECK_SECONDS:
                checked = time.monotonic()
                found = await self._renewed(sender)
                if found is None:
                    log.warning("bridge has lost its lease", bridge=self._label)
                    return
                sender = found
            session.measure()
            batch = await session.next(stop, size)
            if batch and not await self._take(sender, batch):
                # A source's rate may be too low for many at once.
                size = max(1, size // 2)
                await first_of(pause, stop, session.lost)
                pause = min(LONGEST_RETRY, pause * 2)
            elif batch:
                size, pause = min(BATCH, size * 2), FIRST_PAUSE
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while not session.lost.is_set() and (batch := session.batch(size)):
                    if not await self._take(sender, batch):
                        return

    async def _take(self, sender: Sender, batch: Sequence[Waiting]) -> bool:
        """Keep a batch and acknowledge it; False when nothing can keep it now."""
        verdicts: list[str] | None = None
        try:
            self._limits.take(sender, len(batch), overload=429)
            try:
                verdicts = await self._accept(sender, batch, {})
            finally:
                self._limits.done(sender, len(batch), kept=verdicts is not None)
        except AppError as error:
            log.warning("bridge holds messages back", bridge=self._label, error=error.message)
            return False
        except Exception as error:
            if is_retriable(error):
                log.warning("bridge holds messages back", bridge=self._label, error=error)
                return False
            log.exception("a batch of messages broke something", bridge=self._label)
            return await self._one_by_one(sender, batch)
        self._acknowledge(batch, verdicts)
        return True

    async def _one_by_one(self, sender: Sender, batch: Sequence[Waiting]) -> bool:
        """Puts what breaks something into the quarantine; a failure there ends the process."""
        for one in batch:
            try:
                verdicts = await self._accept(sender, [one], {})
            except AppError:
                return False
            except Exception as error:  # noqa: BLE001 - kept as the message's verdict
                if is_retriable(error):
                    return False
                reason = f"Something broke on our side: {error!r}."[:500]
                broken = Refusal(one.spare_id, "internal", "", reason)
                verdicts = await self._accept(sender, [one], {0: broken})
            self._acknowledge([one], verdicts)
        return True

    async def _accept(
        self, sender: Sender, batch: Sequence[Waiting], broken: dict[int, Refusal]
    ) -> list[str]:
        refusals = dict(broken)
        items: list[msgspec.Raw] = []
        for index, one in enumerate(batch):
            if index in refusals:
                # It broke something before: it is kept as it came, and not looked at again.
                items.append(one.original)
                continue
            try:
                items.append(self._translator.event(one.original, one.spare_id))
            except UnfitError as error:
                items.append(one.original)
                refusals.setdefault(index, refusal(error, one.original))
        results = await self._acceptor.accept(
            Sending(
                sender=sender,
                items=items,
                kind=None,
                received_at=clock.now(),
                dialect=DIALECT,
                refusals=refusals,
                ids=[one.spare_id for one in batch],
                originals=[one.original for one in batch],
            )
        )
        return [one.status for one in results]

    def _acknowledge(self, batch: Sequence[Waiting], verdicts: Sequence[str]) -> None:
        for one, verdict in zip(batch, verdicts, strict=True):
            if not one.taken.done():
                one.taken.set_result(DONE)
            metrics.BRIDGED.labels(self._label, verdict).inc()

    async def _claim(self) -> bool:
        async with self._engine.begin() as tx:
            return await bridges.claim(tx, self._spec.workspace, self._spec.id, self._holder)

    async def _renewed(self, sender: Sender) -> Sender | None:
        """The source as it is now; None when another process has the lease.

        Without Postgres nobody can take it: this one goes on with what it knows.
        """
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await self._sender() if await self._claim() else None
        except Exception as error:
            if not (isinstance(error, TimeoutError) or is_retriable(error)):
                raise
            log.warning("lease not renewed, going on", bridge=self._label, error=error)
            return sender

    async def _sender(self) -> Sender:
        async with self._engine.connect() as tx:
            found = (await senders_of(tx, [self._caller])).get(self._caller)
        if found is None:
            message = f"workspace '{self._spec.workspace}' has no source '{self._spec.source}'"
            raise _SourceGoneError(message)
        return found

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(RELEASE_SECONDS), self._engine.begin() as tx:
                await bridges.release(tx, self._spec.workspace, self._spec.id, self._holder)
        except Exception as error:
            if not (isinstance(error, TimeoutError) or is_retriable(error)):
                raise


def declared(path: Path | None) -> BridgeFile:
    """The bridges declared in a file, if there is one. RuntimeError says what is wrong with it."""
    if path is None:
        return BridgeFile(brokers={}, bridges=())
    try:
        found = read_bridges(path.read_bytes())
        for broker in found.brokers.values():
            trust(broker)
    except (OSError, ValueError, AppError) as error:
        message = f"RAPPORT_MQTT_BRIDGES names '{path}', which is no file of bridges: {error}"
        raise RuntimeError(message) from error
    return found


def bridges_of(
    found: BridgeFile, engine: AsyncEngine, acceptor: Acceptor, limits: Limits
) -> list[Bridge]:
    """A worker for each bridge."""
    return [
        Bridge(engine, acceptor, limits, one, found.brokers[one.broker]) for one in found.bridges
    ]
