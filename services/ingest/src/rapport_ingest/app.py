"""The composition root of ingest: what one process is made of."""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fastapi import APIRouter, FastAPI

from rapport_common import logging
from rapport_common.composition import Parts, open_api_engine, open_engine
from rapport_common.db import SchemaGate
from rapport_common.door import Bounds
from rapport_common.events.topics import EVENTS, topics_of
from rapport_common.idempotency import KEPT
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.worker import Jobs
from rapport_common.kafka.producer import Producer
from rapport_common.kafka.topic_maker import TopicMaker
from rapport_common.operator.readiness import unavailable_without
from rapport_common.retention import Policy
from rapport_common.runtime import Edge
from rapport_common.settings import key_bytes
from rapport_ingest.api.addresses import declare_addresses
from rapport_ingest.api.catalogue import catalogue_routes
from rapport_ingest.api.debugger import debugger_routes
from rapport_ingest.api.events import event_routes
from rapport_ingest.api.imports import UPLOADS, import_routes, progress_of, upload_routes
from rapport_ingest.api.ledger import ledger_routes
from rapport_ingest.api.plans import plan_routes
from rapport_ingest.api.public import Public
from rapport_ingest.api.quarantine import quarantine_routes
from rapport_ingest.api.replays import replay_routes
from rapport_ingest.api.sdk_config import sdk_config_routes
from rapport_ingest.api.sources import count_routes, key_routes, policy_routes, source_routes
from rapport_ingest.api.spool import spool_routes
from rapport_ingest.bridge import bridges_of, declared
from rapport_ingest.domain.bridging import BridgeFile, translators
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.guard import Proxies
from rapport_ingest.domain.imports import KIND as IMPORT
from rapport_ingest.edge.child import Handed, ParentWatch
from rapport_ingest.edge.parent import Crew
from rapport_ingest.edge.protocol import IngestProtocol
from rapport_ingest.handlers.accept import Acceptor
from rapport_ingest.handlers.cataloguing import Cataloguing
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.debugging import Debugging
from rapport_ingest.handlers.devices import Devices
from rapport_ingest.handlers.importing import Importing
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.handlers.limits import Limits
from rapport_ingest.handlers.locate import Locator
from rapport_ingest.handlers.planning import Planning
from rapport_ingest.handlers.replaying import Replaying
from rapport_ingest.handlers.republishing import Republishing
from rapport_ingest.handlers.sources import Sources
from rapport_ingest.handlers.uploads import Uploads
from rapport_ingest.intake import Intake
from rapport_ingest.settings import IngestSettings
from rapport_ingest.spool import Spool
from rapport_ingest.store import quarantine
from rapport_ingest.store.jobs import JOBS

ROOT = Path(__file__).resolve().parents[2]
VIOLATIONS_KEPT = timedelta(days=90)
YEAR_KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Pieces:
    """The use cases of one process; what accepts, and what stands around it."""

    spool: Spool
    counting: Counting
    keys: KeyRing
    locator: Locator
    sources: Sources
    limits: Limits
    cataloguing: Cataloguing
    planning: Planning
    debugging: Debugging
    acceptor: Acceptor
    uploads: Uploads
    bridges: BridgeFile
    reopener: Reopener


@dataclass(frozen=True, slots=True)
class Process:
    """What one process is made of: its ASGI app, and what a test wants to hold."""

    app: Intake
    api: FastAPI
    spool: Spool
    counting: Counting
    locator: Locator
    keys: KeyRing
    jobs: Jobs
    uploads: Uploads


async def run(only: str | None) -> None:
    """Run ingest, whole or its half `only`; with several workers as the parent of processes."""
    settings = IngestSettings()
    if settings.workers > 1 and settings.parent_pid is None and only != "worker":
        logging.configure("ingest", level=settings.log_level, style=settings.log_format)
        await Crew(settings, only).run()
        return
    parts = await open_parts(settings)
    process = assemble(parts, settings, only)
    source = None
    if settings.channel_fd is not None and only != "worker":
        source = Handed(socket.socket(fileno=settings.channel_fd))
    # Which workers belong to which half is decided in assemble: some go with the API.
    half = "worker" if only == "worker" else None
    await parts.run(process.app, only=half, edge=Edge(IngestProtocol, source))


async def open_parts(settings: IngestSettings) -> Parts:
    """Like other services, but without waiting for Kafka: events are taken while it is away."""
    logging.configure("ingest", level=settings.log_level, style=settings.log_format)
    engine = open_engine(settings, "ingest", "worker", settings.worker_pool)
    gate = SchemaGate(engine, "ingest", ROOT)
    await gate.look()
    producer = Producer("ingest", settings.kafka_bootstrap_servers, [EVENTS], compression=None)
    await producer.start()
    api = open_api_engine(settings, "ingest")
    return Parts("ingest", settings, engine, producer, api, schema=gate)


def assemble(parts: Parts, settings: IngestSettings, only: str | None) -> Process:
    """Put the service together: the ASGI app, and the workers of the half `only`."""
    pieces = _pieces(parts, settings)
    jobs = _jobs(parts, settings, pieces)
    _add_workers(parts, settings, pieces, jobs, only)
    parts.bounds = Bounds(streams=(UPLOADS,))
    parts.health.checks["storage"] = _storage_check(parts, pieces.spool)
    parts.routers += _routers(parts, settings, pieces)
    proxies = Proxies(settings.proxies()) if settings.proxies() else None
    api = _api(parts)
    intake = Intake(Public(api), pieces.keys, pieces.limits, pieces.acceptor, proxies)
    return Process(
        intake,
        api,
        pieces.spool,
        pieces.counting,
        pieces.locator,
        pieces.keys,
        jobs,
        pieces.uploads,
    )


def _api(parts: Parts) -> FastAPI:
    app = parts.api()
    # What comes here has no slash at its end any more: to lead on to one would lead in a circle.
    app.router.redirect_slashes = False
    declare_addresses(app)
    return app


def _pieces(parts: Parts, settings: IngestSettings) -> Pieces:
    engine = parts.engine
    spool = Spool(engine, parts.producer, limit=settings.spool_limit_bytes)
    counting, cataloguing, planning = Counting(engine), Cataloguing(engine), Planning(engine)
    debugging = Debugging(settings.database_url.get_secret_value())
    acceptor = Acceptor(
        engine,
        spool,
        counting=counting,
        cataloguing=cataloguing,
        planning=planning,
        debugging=debugging,
        partition_secret=key_bytes(settings.event_key),
    )
    pepper = key_bytes(settings.write_key_pepper)
    bridges = declared(settings.mqtt_bridges)
    return Pieces(
        spool=spool,
        counting=counting,
        keys=KeyRing(engine, pepper),
        locator=Locator(engine, settings.kafka_bootstrap_servers),
        sources=Sources(pepper),
        limits=Limits(engine, counting),
        cataloguing=cataloguing,
        planning=planning,
        debugging=debugging,
        acceptor=acceptor,
        uploads=Uploads(engine, settings.data_folder, limit=settings.import_limit_bytes),
        bridges=bridges,
        reopener=Reopener(translators(bridges)),
    )


def _add_workers(
    parts: Parts, settings: IngestSettings, pieces: Pieces, jobs: Jobs, only: str | None
) -> None:
    if only != "api":
        parts.workers += [
            TopicMaker(settings, topics_of("ingest")),
            pieces.spool,
            jobs,
            pieces.uploads,
        ]
        parts.workers += bridges_of(pieces.bridges, parts.engine, pieces.acceptor, pieces.limits)
        parts.retain(_policies(settings), dead_letters=False)
    # Bridges and jobs accept events too: these go with either half.
    parts.workers += [pieces.counting, pieces.keys, pieces.limits, pieces.debugging]
    parts.workers += [pieces.cataloguing, pieces.planning, Devices()]
    if settings.parent_pid is not None:
        parts.workers.append(ParentWatch(settings.parent_pid))


def _jobs(parts: Parts, settings: IngestSettings, pieces: Pieces) -> Jobs:
    engine, spool, acceptor = parts.engine, pieces.spool, pieces.acceptor
    importing = Importing(engine, acceptor, spool, pieces.uploads, settings)
    republishing = Republishing(parts.producer, settings.kafka_bootstrap_servers)
    works = {
        IMPORT: importing.work,
        "replay_quarantine": Replaying(engine, spool, acceptor.accept, pieces.reopener).work,
        "replay_topic": republishing.work,
    }
    return Jobs(engine, JOBS, works)


def _routers(parts: Parts, settings: IngestSettings, pieces: Pieces) -> list[APIRouter]:
    engine = parts.api_engine
    return [
        source_routes(engine, pieces.sources),
        policy_routes(engine),
        count_routes(engine, pieces.counting),
        key_routes(engine, pieces.sources),
        debugger_routes(engine, pieces.debugging),
        event_routes(pieces.keys, pieces.locator),
        quarantine_routes(engine, pieces.counting, pieces.reopener),
        replay_routes(engine),
        import_routes(engine, settings),
        upload_routes(engine, pieces.uploads),
        plan_routes(engine),
        catalogue_routes(engine),
        job_routes(engine, JOBS, read="events:read", write="imports:write", progress=progress_of),
        sdk_config_routes(pieces.keys),
        spool_routes(engine),
        ledger_routes(engine, pieces.locator, pieces.counting, pieces.spool),
    ]


def _policies(settings: IngestSettings) -> list[Policy]:
    """How long each thing is kept."""
    age = timedelta(days=settings.quarantine_retention_days)
    resolved = timedelta(days=settings.quarantine_resolved_days)
    return [
        Policy("quarantine", "received_at", age, quarantine.expiry(resolved)),
        Policy("job", "finished_at", timedelta(days=settings.job_retention_days)),
        Policy("violation", "last_at", VIOLATIONS_KEPT),
        Policy("catalogue", "last_seen", YEAR_KEPT),
        Policy("tally_day", "day", YEAR_KEPT),
        KEPT,
    ]


def _storage_check(parts: Parts, spool: Spool) -> Callable[[], Awaitable[str | None]]:
    """Ready while one of Kafka and Postgres can keep events: either is enough to answer 200."""
    database = unavailable_without(parts.engine)

    async def check() -> str | None:
        problem: str | None = await database()
        return f"kafka is away too; {problem}" if problem and spool.avoids_kafka else None

    return check
