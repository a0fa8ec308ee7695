"""The composition root of ingest: what one process is made of."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rapport_common import logging
from rapport_common.composition import Parts
from rapport_common.db import create_engine, require_head
from rapport_common.events.topics import EVENTS, topics_of
from rapport_common.kafka.admin import ensure_topics
from rapport_common.kafka.producer import Producer
from rapport_common.keys import derive
from rapport_common.operator import unavailable_without
from rapport_common.retention import Policy
from rapport_ingest.api.catalogue import catalogue_routes
from rapport_ingest.api.events import event_routes
from rapport_ingest.api.ledger import ledger_routes
from rapport_ingest.api.plans import plan_routes
from rapport_ingest.api.quarantine import quarantine_routes
from rapport_ingest.api.replays import replay_routes
from rapport_ingest.api.sources import source_routes
from rapport_ingest.handlers.accept import Acceptor
from rapport_ingest.handlers.cataloguing import Cataloguing
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.debugging import Debugging
from rapport_ingest.handlers.devices import Devices
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.handlers.limits import Limits
from rapport_ingest.handlers.locate import Locator
from rapport_ingest.handlers.planning import Planning
from rapport_ingest.handlers.replaying import Replaying
from rapport_ingest.handlers.republishing import Republishing
from rapport_ingest.intake import Intake
from rapport_ingest.jobs import Jobs
from rapport_ingest.settings import IngestSettings
from rapport_ingest.spool import Spool
from rapport_ingest.store import quarantine
from rapport_ingest.worker import Crew, ParentWatch

ROOT = Path(__file__).resolve().parents[2]

VIOLATIONS_KEPT = timedelta(days=90)
CATALOGUE_KEPT = timedelta(days=400)
"""Since they were last seen: a seasonal event comes back after a year."""


@dataclass(frozen=True, slots=True)
class Process:
    """What one process is made of: its ASGI app, and what a test wants to hold."""

    app: Intake
    spool: Spool
    counting: Counting
    locator: Locator
    keys: KeyRing


class TopicMaker:
    """Creates the topics beside the traffic: until Kafka is there, the spool takes the events."""

    name = "topics"

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings

    async def run(self, stop: asyncio.Event) -> None:
        """End when the topics are there, or with `stop`."""
        async with asyncio.TaskGroup() as group:
            making = group.create_task(self._make())
            stopping = group.create_task(stop.wait())
            await asyncio.wait({making, stopping}, return_when=asyncio.FIRST_COMPLETED)
            making.cancel()
            stopping.cancel()

    async def _make(self) -> None:
        await ensure_topics(
            self._settings.kafka_bootstrap_servers,
            topics_of("ingest"),
            partitions=self._settings.kafka_partitions,
            replication=self._settings.kafka_replication,
        )


async def run(only: str | None) -> None:
    """Run ingest, whole or its half `only`; with several workers as the parent of processes."""
    settings = IngestSettings()
    if settings.workers > 1 and settings.parent_pid is None and only != "worker":
        logging.configure("ingest", level=settings.log_level, style=settings.log_format)
        await Crew(settings, only).run()
        return
    parts = await open_parts(settings)
    process = assemble(parts, settings, only)
    sockets = None
    if settings.listen_fd is not None and only != "worker":
        sockets = [socket.socket(fileno=settings.listen_fd)]
    # Which workers belong to which half is decided in assemble: some go with the API.
    await parts.run(process.app, only="worker" if only == "worker" else None, sockets=sockets)


async def open_parts(settings: IngestSettings) -> Parts:
    """Like other services, but without waiting for Kafka: events are taken while it is away."""
    logging.configure("ingest", level=settings.log_level, style=settings.log_format)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application=f"ingest-{settings.replica}",
        pool=settings.database_pool,
    )
    await require_head(engine, "ingest", ROOT)
    producer = Producer("ingest", settings.kafka_bootstrap_servers, [EVENTS], compression=None)
    await producer.start()
    return Parts("ingest", settings, engine, producer)


def assemble(parts: Parts, settings: IngestSettings, only: str | None) -> Process:
    """Put the service together: the ASGI app, and the workers of the half `only`."""
    secret = settings.secret.get_secret_value()
    spool = Spool(parts.engine, parts.producer, limit=settings.spool_limit_bytes)
    counting = Counting(parts.engine)
    keys = KeyRing(parts.engine, derive(secret, "write-key"))
    locator = Locator(parts.engine, settings.kafka_bootstrap_servers)
    limits = Limits(parts.engine)
    governance = (Cataloguing(parts.engine), Planning(parts.engine))
    debugging = Debugging(parts.engine, settings.database_url.get_secret_value())
    acceptor = Acceptor(
        parts.engine,
        spool,
        counting=counting,
        cataloguing=governance[0],
        planning=governance[1],
        debugging=debugging,
        partition_secret=derive(secret, "event-key"),
    )
    if only != "api":
        works = {
            "replay_quarantine": Replaying(parts.engine, spool, acceptor.accept).work,
            "replay_topic": Republishing(parts.producer, settings.kafka_bootstrap_servers).work,
        }
        parts.workers += [TopicMaker(settings), spool, Jobs(parts.engine, works)]
        policies = [
            _quarantine_policy(settings),
            Policy("violation", "last_at", VIOLATIONS_KEPT),
            Policy("catalogue", "last_seen", CATALOGUE_KEPT),
        ]
        parts.retain(policies, dead_letters=False)
    if only != "worker":
        parts.workers += [counting, keys, limits, debugging, *governance, Devices()]
    if settings.parent_pid is not None:
        parts.workers.append(ParentWatch(settings.parent_pid))
    parts.health.checks["storage"] = _storage_check(parts, spool)
    parts.routers += [
        source_routes(parts.engine, keys),
        event_routes(keys, locator),
        quarantine_routes(parts.engine, counting),
        replay_routes(parts.engine),
        plan_routes(parts.engine),
        catalogue_routes(parts.engine),
        ledger_routes(parts.engine, locator, counting, spool),
    ]
    return Process(Intake(parts.api(), keys, limits, acceptor), spool, counting, locator, keys)


def _quarantine_policy(settings: IngestSettings) -> Policy:
    age = timedelta(days=settings.quarantine_retention_days)
    resolved = timedelta(days=settings.quarantine_resolved_days)
    return Policy("quarantine", "received_at", age, quarantine.expiry(resolved))


def _storage_check(parts: Parts, spool: Spool) -> Callable[[], Awaitable[str | None]]:
    """Ready while one of Kafka and Postgres can keep events: either is enough to answer 200."""
    database = unavailable_without(parts.engine)

    async def check() -> str | None:
        problem: str | None = await database()
        return f"kafka is away too; {problem}" if problem and spool.avoids_kafka else None

    return check
