"""Runs a service's API and workers as one process: signals, drain, crash-only."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest, start_http_server
from typing_extensions import override

from rapport_common import logging
from rapport_common.bounded import BoundedProtocol
from rapport_common.http import Health, add_health_routes
from rapport_common.settings import ServiceSettings
from rapport_common.watchdog import LoopWatchdog

log = logging.get(__name__)

DRAIN_SECONDS = 8
GRACE_SECONDS = 4


class Worker(Protocol):
    """A loop that runs beside the API until `stop` is set, and raises when it can't go on."""

    @property
    def name(self) -> str:
        """How it is called in logs."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""


@runtime_checkable
class Streaming(Protocol):
    """A worker whose requests last for as long as their callers like."""

    def leave(self) -> None:
        """The process is about to stop: end them, or the API would wait for them and cut them."""


@runtime_checkable
class Beside(Protocol):
    """A worker that watches over the process itself, and needs nothing for it."""

    from_the_start: bool


Ready = Callable[[asyncio.Event], Awaitable[bool]]
"""Waits until the workers may begin: True, or until the stop it is given: False."""


class ConnectionSource(Protocol):
    """Where a process gets its connections from, if it does not listen itself."""

    def attach(self, factory: Callable[[], Any]) -> None:
        """Take connections from now on, each with one of the protocols of the `Edge`."""

    def detach(self) -> None:
        """Take no more connections."""


@dataclass(frozen=True, slots=True)
class Edge:
    """How a process speaks HTTP; `source` is None when it listens itself."""

    protocol: type[BoundedProtocol] = BoundedProtocol
    source: ConnectionSource | None = None


STOCK = Edge()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers (this module owns the signals), and without a
    socket of its own where connections come from elsewhere.
    """

    def __init__(self, config: uvicorn.Config, source: ConnectionSource | None) -> None:
        super().__init__(config)
        self._source = source

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets if self._source is None else [])
        if self._source is not None:
            self._source.attach(self._protocol)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._source is not None:
            self._source.detach()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg] # all of uvicorn's take these
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @override
    def capture_signals(self) -> Any:
        return nullcontext()


async def serve(
    service: str,
    settings: ServiceSettings,
    *,
    app: Any,
    workers: Sequence[Worker],
    health: Health,
    edge: Edge = STOCK,
    ready: Ready | None = None,
) -> None:
    """Run the API (when `app` is given) and `workers` until SIGTERM or SIGINT.

    The API answers at once; the workers begin when `ready`, unless they belong to it (Beside).

    The first worker that fails ends the process with its error: crash-only, the supervisor
    starts a fresh one. On a signal the API stops first, then the workers; what takes longer than
    8 s is cut short.
    """
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    metrics_server = None
    if app is None:
        app = _worker_app(service, health)
        port = settings.metrics_port
    else:
        metrics_server, _thread = start_http_server(settings.metrics_port, settings.host)
        port = settings.port
    server = _server(app, settings.host, port, edge=edge, connections=settings.connections)
    log.info("starting", port=port, workers=[one.name for one in workers])
    try:
        watchdog = LoopWatchdog(service, settings.watchdog_seconds)
        await _run_all(server, [watchdog, *workers], leave, health, ready)
    finally:
        if metrics_server is not None:
            metrics_server.shutdown()
    log.info("stopped")


async def _run_all(
    server: uvicorn.Server,
    workers: Sequence[Any],
    leave: asyncio.Event,
    health: Health,
    ready: Ready | None = None,
) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(_serve_http(server, leave))
        beside = [one for one in workers if ready is None or isinstance(one, Beside)]
        later = [one for one in workers if one not in beside]
        tasks = [serving, *(group.create_task(one.run(stop)) for one in beside)]
        if ready is not None:
            tasks.append(group.create_task(_run_later(ready, later, stop)))
        await leave.wait()
        health.draining = True
        server.should_exit = True
        for one in workers:
            if isinstance(one, Streaming):
                one.leave()
        started = asyncio.get_running_loop().time()
        # The edge first: what its last requests leave to the workers is still done.
        await asyncio.wait([serving], timeout=GRACE_SECONDS + 1)
        stop.set()
        left = DRAIN_SECONDS - (asyncio.get_running_loop().time() - started)
        _done, late = await asyncio.wait(tasks, timeout=left)
        for task in late:
            log.error("did not stop in time, cut short", task=task.get_name())
            task.cancel()


async def _run_later(ready: Ready, workers: Sequence[Any], stop: asyncio.Event) -> None:
    if await ready(stop):
        async with asyncio.TaskGroup() as group:
            for one in workers:
                group.create_task(one.run(stop))


async def _serve_http(server: uvicorn.Server, leave: asyncio.Event) -> None:
    try:
        await server.serve()
    except SystemExit as error:
        message = f"the API could not start on port {server.config.port}: is it taken?"
        raise RuntimeError(message) from error
    finally:
        leave.set()


def _server(
    app: Any, host: str, port: int, *, edge: Edge = STOCK, connections: int | None = None
) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=edge.protocol,
            ws="none",
            proxy_headers=False,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=75,
            backlog=4096,
            limit_concurrency=connections,
        ),
        edge.source,
    )


def _worker_app(service: str, health: Health) -> FastAPI:
    """What a process without an API answers, all on the port of its metrics."""
    app = FastAPI(title=f"Rapport {service} worker", openapi_url=None)
    add_health_routes(app, health)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def run(main: Any) -> None:
    """Run a service's main coroutine under uvloop; a failure ends with exit code 1 and one log."""
    # A batch makes a hundred thousand objects that die together: the default thresholds would
    # walk all of them a hundred times. What start-up made is never garbage.
    gc.set_threshold(100_000, 20, 20)
    gc.freeze()
    import uvloop  # noqa: PLC0415 - not there on every platform the client code runs on

    try:
        uvloop.run(main)
    except Exception as error:
        for leaf in _leaves(error):
            log.critical("process ends", error=leaf, exc_info=leaf)
        sys.exit(1)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]
