"""Several processes behind one port: started, restarted and ended by a parent that does no work."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from contextlib import suppress

from rapport_common import logging
from rapport_ingest.settings import IngestSettings

log = logging.get(__name__)

PARENT_POLL_SECONDS = 0.5
RESTART_SECONDS = 0.5
STOP_SECONDS = 9.5
BACKLOG = 4096
PR_SET_PDEATHSIG = 1


def listen(host: str, port: int) -> socket.socket:
    """The socket that all children accept from: one queue, so a dead child loses no connection."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        message = f"the API could not start on port {port}: is it taken?"
        raise RuntimeError(message) from error
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


class Crew:
    """The parent of `settings.workers` children."""

    def __init__(self, settings: IngestSettings, only: str | None) -> None:
        self._settings = settings
        self._arguments = ["run", *(["--only", only] if only else [])]
        self._children: dict[int, Process] = {}
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Keep the children running until SIGTERM or SIGINT, then end them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        with listen(self._settings.host, self._settings.port) as listening:
            async with asyncio.TaskGroup() as group:
                for slot in range(self._settings.workers):
                    group.create_task(self._keep(slot, listening.fileno()))
                await self._stop.wait()
                self._signal(signal.SIGTERM)
                group.create_task(self._end_late())

    async def _keep(self, slot: int, listen_fd: int) -> None:
        while not self._stop.is_set():
            child = await self._start(slot, listen_fd)
            self._children[slot] = child
            if self._stop.is_set():
                child.terminate()
            code = await child.wait()
            del self._children[slot]
            if not self._stop.is_set():
                log.error("worker process died, starting it again", slot=slot, exit_code=code)
                with suppress(TimeoutError):
                    async with asyncio.timeout(RESTART_SECONDS):
                        await self._stop.wait()

    async def _start(self, slot: int, listen_fd: int) -> Process:
        changes = {
            "RAPPORT_LISTEN_FD": str(listen_fd),
            "RAPPORT_METRICS_PORT": str(self._settings.metrics_port + slot),
            "RAPPORT_PARENT_PID": str(os.getpid()),
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rapport_ingest",
            *self._arguments,
            env={**os.environ, **changes},
            pass_fds=[listen_fd],
        )

    async def _end_late(self) -> None:
        """Children that do not stop in time are killed: a stop takes less than 10 s."""
        waited = 0.0
        while self._children and waited < STOP_SECONDS:
            await asyncio.sleep(0.1)
            waited += 0.1
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for child in list(self._children.values()):
            with suppress(ProcessLookupError):
                child.send_signal(number)


class ParentWatch:
    """Ends a child at once when its parent is gone: nobody may stay on the port alone."""

    name = "parent-watch"

    def __init__(self, parent: int) -> None:
        self._parent = parent
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    async def run(self, stop: asyncio.Event) -> None:
        """Look twice a second: where there is no death signal, and for a parent gone before it."""
        while not stop.is_set():
            if os.getppid() != self._parent:
                os._exit(1)
            with suppress(TimeoutError):
                async with asyncio.timeout(PARENT_POLL_SECONDS):
                    await stop.wait()
