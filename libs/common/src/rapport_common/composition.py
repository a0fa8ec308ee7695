"""What every composition root is made of: engines, producer, consumer, relay, workers, routes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging, metrics
from rapport_common.access.store import KEPT as ACCESS_KEPT
from rapport_common.auth import AUDIENCE, ISSUER, Authenticator, Issuer
from rapport_common.db import SchemaGate, answers, create_engine
from rapport_common.door import Bounds
from rapport_common.due.routes import due_routes
from rapport_common.due.store import DueStore
from rapport_common.due.worker import SESSION, DueWorker, Handler
from rapport_common.events.topics import TOPICS, topics_of
from rapport_common.http import Health, create_app
from rapport_common.jobs.ending import PutAway
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.store import JobStore
from rapport_common.jobs.worker import Jobs, Work
from rapport_common.kafka.batch import Subscription
from rapport_common.kafka.consumer import Consumer
from rapport_common.kafka.producer import Producer
from rapport_common.kafka.topic_maker import AfterTopics, TopicMaker
from rapport_common.kafka.unpark import Unparker
from rapport_common.keeping.classes import DataClass
from rapport_common.keeping.keeper import Keeper
from rapport_common.keeping.routes import keeping_routes
from rapport_common.ledger import Equations, LedgerWatch
from rapport_common.operator import consumer_routes
from rapport_common.operator.ledger import Counts, ledger_routes
from rapport_common.operator.outbox import outbox_routes
from rapport_common.operator.readiness import consumer_check, unavailable_without
from rapport_common.outbox import OutboxStore
from rapport_common.privacy.eraser import Eraser
from rapport_common.relay import Relay
from rapport_common.retention import Retention, RetentionWorker
from rapport_common.routes import add_routes
from rapport_common.runtime import STOCK, Edge, Worker, serve
from rapport_common.settings import ServiceSettings
from rapport_common.stalled import StalledSessions
from rapport_common.trust import KeySource
from rapport_common.watchdog import ProgressWatchdog

PATIENCE_SECONDS = 2.0
"""So much later than a live server would a request gives up one that does not answer at all."""

BY_KEY = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Settings of a consumer's sessions. A batch is joined to tables by their keys, some hundred rows
of any number. Until a table that grows has been analysed, which can take minutes, the planner may
think it small, and read it from its beginning for each batch."""

COMMANDS_KEPT = timedelta(days=30)


@dataclass
class ServiceProcess:
    """One process of a service, being put together: what it serves, and what works in it."""

    service: str
    settings: ServiceSettings
    engine: AsyncEngine
    """For workers; requests have `api_engine`, and neither can take the other's connections."""

    producer: Producer
    api_engine: AsyncEngine
    engines: list[AsyncEngine] = field(default_factory=list)
    health: Health = field(default_factory=Health)
    bounds: Bounds = field(default_factory=Bounds)
    schema: SchemaGate | None = None
    """What the workers wait for, if the database was away when the process started."""

    ops: APIRouter = field(default_factory=APIRouter)
    """What operates any service: positions, what was put aside, what has a time, the ledger."""

    routers: list[APIRouter] = field(default_factory=list)
    """What this service does."""

    workers: list[Worker] = field(default_factory=list)
    """What goes on beside requests, in processes that work."""

    in_each_role: list[Worker] = field(default_factory=list)
    """What belongs to the process itself, or to what both its API and its workers use."""

    def consume(self, subscriptions: Sequence[Subscription], eraser: Eraser) -> Consumer:
        """Add the consumer with its watchdog, readiness check and operator routes.

        Every service reads `privacy`, and has an `eraser` that forgets people; its gatherer tells
        them what is known.
        """
        settings = self.settings
        self.watch(eraser.over(self.pool("eraser", 1)), lambda: eraser.last_sign)
        gatherer = eraser.gatherer.over(self.pool("gatherer", 1))
        self.watch(gatherer, lambda: gatherer.last_sign)
        engine = self.pool("consumer", 2, BY_KEY)
        consumer = Consumer(
            self.service,
            engine,
            [*subscriptions, eraser.subscription()],
            bootstrap=settings.kafka_bootstrap_servers,
            replica=settings.replica,
            batch=settings.consumer_batch,
            session_timeout_ms=settings.session_timeout_ms,
            fetch_wait_ms=settings.fetch_wait_ms,
            pace_seconds=settings.consumer_pace,
        )
        # Not "has lag": a client that hangs does not know how far behind it is.
        watchdog = self._watchdog(
            lambda: consumer.last_sign, has_work=lambda: consumer.stopped_because is None
        )
        unparker = Unparker(self.service, self.pool("unparker", 1, BY_KEY), consumer.batches)
        topics = TopicMaker(settings, topics_of(self.service))
        self.workers += [topics, AfterTopics(topics, consumer), watchdog, unparker]
        if settings.works:
            # One that only serves is as ready as before when those that work stand still.
            self.health.checks["consumer"] = consumer_check(consumer)
        add_routes(self.ops, consumer_routes(self.api_engine, consumer, unparker))
        return consumer

    def relay(self) -> Relay:
        """Add the relay of this service's outbox."""
        relay = Relay(
            self.pool("relay", 2),
            self.producer,
            schema=self.service,
            batch=self.settings.outbox_batch,
            listen_url=self.settings.database_url.get_secret_value(),
            pace_seconds=self.settings.outbox_pace,
        )
        self.workers.append(relay)
        add_routes(self.ops, outbox_routes(self.api_engine, OutboxStore(self.service)))
        return relay

    def due(self, handlers: Mapping[str, Handler]) -> DueWorker:
        """Add the worker of what has a time, a handler for each kind, and its operator routes."""
        store = DueStore(self.service)
        worker = DueWorker(self.pool("due", 1, SESSION), store, handlers)
        self.watch(worker, lambda: worker.last_sign)
        add_routes(self.ops, due_routes(self.api_engine, store))
        return worker

    def watch(self, worker: Worker, last_sign: Callable[[], float]) -> None:
        """Add a worker that gives signs, with its watchdog."""
        self.workers += [worker, self._watchdog(last_sign)]

    def _watchdog(
        self, last_sign: Callable[[], float], has_work: Callable[[], bool] = lambda: True
    ) -> ProgressWatchdog:
        url = self.settings.database_url.get_secret_value()
        return ProgressWatchdog(
            has_work=has_work,
            last_progress=last_sign,
            reachable=partial(answers, url),
            limit=self.settings.watchdog_seconds,
        )

    def pool(self, what: str, size: int, session: Mapping[str, str] | None = None) -> AsyncEngine:
        """Connections of one worker's, or one use's, own: no other one can use them up."""
        made = open_engine(self.settings, self.service, what, size, session)
        self.engines.append(made)
        return made

    def retain(
        self, retentions: Sequence[Retention], classes: Sequence[DataClass] = ()
    ) -> RetentionWorker:
        """Add the retention worker: the tables of the service and those of its consumer.

        `classes` are kept by the rules of each workspace: their routes, and who enforces them.
        """
        age = timedelta(days=self.settings.dead_letter_retention_days)
        kept = [
            *retentions,
            Retention("dead_letter", "created_at", age),
            Retention("consumer_command", "created_at", COMMANDS_KEPT),
            ACCESS_KEPT,
        ]
        retention = RetentionWorker(self.engine, kept, schema=self.service)
        self.workers.append(retention)
        if classes:
            keeper = Keeper(self.service, self.pool("keeper", 1), classes)
            self.watch(keeper, lambda: keeper.last_sign)
            self.routers.append(keeping_routes(self.api_engine, self.service, classes))
        return retention

    def ledger(
        self, model: type[BaseModel], counts: Counts, equations: Equations | None = None
    ) -> None:
        """Add the ledger's route, and the worker that checks the equations of its own schema."""
        add_routes(self.ops, ledger_routes(self.api_engine, model, counts))
        if equations is not None:
            self.balance(equations)

    def balance(self, equations: Equations) -> None:
        """Add the worker that checks the equations of the service's own schema."""
        self.workers.append(LedgerWatch(self.engine, equations, service=self.service))

    def jobs(
        self,
        store: JobStore,
        works: Mapping[str, Work],
        *,
        read: str,
        write: str,
        both: Sequence[str] = (),
        put_away: Mapping[str, PutAway] | None = None,
    ) -> Jobs:
        """Add the worker of jobs, by the work of each kind, and their routes (scopes)."""
        jobs = Jobs(self.engine, store, works, put_away)
        self.workers.append(jobs)
        self.routers.append(
            job_routes(self.api_engine, store, read=read, write=write, both=both, put_away=put_away)
        )
        return jobs

    def api(self) -> FastAPI:
        """The service's FastAPI app with the routers added so far."""
        app = create_app(self.service, self.health, authenticator_of(self.settings), self.bounds)
        add_routes(app, *(self.ops, *self.routers))
        return app

    async def run(self, app: Any, *, edge: Edge = STOCK) -> None:
        """Do what the role of this process is until a signal, then close what was opened."""
        settings = self.settings
        metrics.ROLE.labels(self.service, settings.role).set(1)
        # In each role: the other process may be the one that stands still.
        stalled = StalledSessions(self.engine, self.service)
        beside = self.workers if settings.works else ()
        try:
            await serve(
                self.service,
                settings,
                app=app if settings.serves else None,
                workers=[stalled, *self.in_each_role, *beside],
                health=self.health,
                edge=edge,
                ready=self.schema.wait if self.schema is not None else None,
            )
        finally:
            await self.producer.stop()
            for engine in (self.engine, self.api_engine, *self.engines):
                await engine.dispose()


async def open_process(service: str, settings: ServiceSettings, root: Path) -> ServiceProcess:
    """Configure logging, connect, and refuse to start on a schema that is not at head.

    While the database is away the API is up all the same, and says so; the workers wait.
    """
    logging.configure(service, level=settings.log_level, style=settings.log_format)
    engine = open_engine(settings, service, "worker", settings.worker_pool)
    gate = SchemaGate(engine, service, root)
    await gate.look()
    producer = Producer(
        service,
        settings.kafka_bootstrap_servers,
        [one for one in TOPICS if service in one.producers],
        compression=None,
    )
    await producer.start()
    api_engine = open_api_engine(settings, service)
    process = ServiceProcess(
        service,
        settings,
        engine,
        producer,
        api_engine,
        bounds=Bounds(seconds=settings.request_seconds),
        schema=gate,
    )
    process.health.checks["database"] = unavailable_without(api_engine)
    return process


def open_engine(
    settings: ServiceSettings,
    service: str,
    what: str,
    pool: int,
    session: Mapping[str, str] | None = None,
    *,
    ping: bool = False,
    patience: float = 60,
) -> AsyncEngine:
    """A pool of at most `pool` connections, which says in the database what it is for."""
    return create_engine(
        settings.database_url.get_secret_value(),
        application=f"{service}-{settings.replica}-{what}",
        pool=pool,
        settings=session,
        ping=ping,
        patience=patience,
    )


def open_api_engine(settings: ServiceSettings, service: str) -> AsyncEngine:
    """The pool of requests: nobody waits for an answer that takes longer than that.

    A connection is asked whether it still stands: else each that was open when the database went
    away would cost a request when it is back.
    """
    most = {"statement_timeout": f"{settings.request_seconds * 1000:.0f}"}
    return open_engine(
        settings,
        service,
        "api",
        settings.database_pool,
        most,
        ping=True,
        # The server's own word comes first, if it can speak.
        patience=settings.request_seconds + PATIENCE_SECONDS,
    )


def authenticator_of(settings: ServiceSettings) -> Authenticator:
    """Who may call: the installation's own operators, and those of an identity provider if any.

    Raises KeysError or OSError when the keys in the settings can't be read.
    """
    issuers = [Issuer(ISSUER, AUDIENCE, KeySource(settings.operator_keys))]
    if settings.idp_issuer:
        keys = KeySource(settings.idp_keys)
        issuers.append(Issuer(settings.idp_issuer, settings.idp_audience, keys))
    return Authenticator(*issuers, hours=settings.token_hours)
