"""Several processes behind one port: started, fed, restarted and ended by a parent.

The parent accepts and hands each connection to the process that has the fewest. When all of
them accept from one socket, whoever wakes first takes everything: of sixteen busy connections
one process had all, and the other core stood idle.

Twice a second it asks how many connections are busy. A process that has clearly more than its
share, because it was up first after a restart, ends some of them with their next answers
(`Connection: close`, RFC 9112, 9.6); the clients come back and are handed to the others.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from contextlib import suppress

from rapport_common import logging
from rapport_ingest.domain.sharing import Balance
from rapport_ingest.edge.channel import BUSY, CLOSED, HANDING, READY, TAKEN
from rapport_ingest.settings import IngestSettings

log = logging.get(__name__)

RESTART_SECONDS = 0.5
STOP_SECONDS = 9.5
BACKLOG = 4096

ROUND_SECONDS = 0.5

MAX_UNTAKEN = 64
STALLED_SECONDS = 0.5
"""A child that has not taken a connection for so long stands still: the others get them."""

PAUSE_SECONDS = 0.05


def listen(host: str, port: int) -> socket.socket:
    """The socket that the parent accepts from: one queue, so a dead child loses no connection."""
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


class _Child:
    """A child process as its parent sees it."""

    def __init__(self, channel: socket.socket, wake: asyncio.Event) -> None:
        self.channel = channel
        self.ready = False
        self.open = 0
        self.untaken = 0
        self.busy: int | None = None
        """How many connections were busy, as of the last question; None until it is answered."""
        self._asked = False
        self._rest = b""
        self._since = 0.0
        self._wake = wake

    @property
    def takes(self) -> bool:
        """Whether a connection is in good hands there."""
        stalled = self.untaken and time.monotonic() - self._since > STALLED_SECONDS
        return self.ready and not stalled and self.untaken < MAX_UNTAKEN

    def give(self, connection: socket.socket) -> bool:
        """Hand a connection over; False when that can't be done."""
        try:
            socket.send_fds(self.channel, [HANDING], [connection.fileno()])
        except OSError:
            return False
        if not self.untaken:
            self._since = time.monotonic()
        self.open += 1
        self.untaken += 1
        return True

    def ask(self, leaving: int) -> None:
        """Let so many busy connections go, and ask how many there are; once until it is answered.

        A process that stands still finds one question when it goes on, not all that were missed.
        """
        if not self.ready or self._asked:
            return
        with suppress(OSError):
            self.channel.send(bytes([leaving + 1]))
            self._asked, self.busy = True, None

    def hear(self) -> None:
        """Read what the child has to tell."""
        try:
            told = self.channel.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if not told:
            asyncio.get_running_loop().remove_reader(self.channel)
            self.ready = False
            return
        self.ready = self.ready or READY in told
        if taken := told.count(TAKEN):
            self.untaken -= taken
            self._since = time.monotonic()
        self.open -= told.count(CLOSED)
        numbers = self._rest + told
        if answers := BUSY.findall(numbers):
            self._asked, self.busy = False, int(answers[-1])
        self._rest = numbers[len(numbers.rstrip(b"0123456789")) :]
        self._wake.set()


class Crew:
    """The parent of `settings.workers` children."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._processes: dict[int, Process] = {}
        self._children: dict[int, _Child] = {}
        self._balance = Balance()
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Keep the children running until SIGTERM or SIGINT, then end them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        with listen(self._settings.host, self._settings.port) as listening:
            async with asyncio.TaskGroup() as group:
                for slot in range(self._settings.workers):
                    group.create_task(self._keep(slot))
                edge = [
                    group.create_task(self._accept(listening)),
                    group.create_task(self._even_out()),
                ]
                await self._stop.wait()
                for one in edge:
                    one.cancel()
                self._signal(signal.SIGTERM)
                group.create_task(self._end_late())

    async def _accept(self, listening: socket.socket) -> None:
        """Accept while there is somebody to hand a connection to; else it waits in the kernel."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._takers():
                await self._pause()
                continue
            try:
                connection, _address = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("can't accept, trying again", error=error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            with connection:
                while not any(self._give(slot, connection) for slot in self._takers()):
                    await self._pause()

    def _give(self, slot: int, connection: socket.socket) -> bool:
        given = self._children[slot].give(connection)
        if given:
            self._balance.given(slot)
        return given

    def _takers(self) -> list[int]:
        """The slots of those that take connections, the one that should have the next first."""
        takers = [slot for slot, child in self._children.items() if child.takes]
        return sorted(
            takers, key=lambda one: (not self._balance.is_owed(one), self._children[one].open)
        )

    async def _even_out(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            children = self._children
            busy = {slot: one.busy for slot, one in children.items() if one.busy is not None}
            leaving = self._balance.turn(busy)
            for slot, child in children.items():
                child.ask(leaving.get(slot, 0))

    async def _pause(self) -> None:
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._wake.wait()

    async def _keep(self, slot: int) -> None:
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            ours, theirs = socket.socketpair()
            with ours:
                ours.setblocking(False)
                with theirs:
                    process = await self._start(slot, theirs)
                child = _Child(ours, self._wake)
                self._processes[slot], self._children[slot] = process, child
                loop.add_reader(ours, child.hear)
                if self._stop.is_set():
                    process.terminate()
                code = await process.wait()
                loop.remove_reader(ours)
                del self._processes[slot], self._children[slot]
            if not self._stop.is_set():
                log.error("worker process died, starting it again", slot=slot, exit_code=code)
                with suppress(TimeoutError):
                    async with asyncio.timeout(RESTART_SECONDS):
                        await self._stop.wait()

    async def _start(self, slot: int, channel: socket.socket) -> Process:
        changes = {
            "RAPPORT_CHANNEL_FD": str(channel.fileno()),
            "RAPPORT_METRICS_PORT": str(self._settings.metrics_port + slot),
            "RAPPORT_PARENT_PID": str(os.getpid()),
            # Each is a member of its own among those who read `privacy`.
            "RAPPORT_REPLICA": f"{self._settings.replica}.{slot}",
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rapport_ingest",
            "run",
            env={**os.environ, **changes},
            pass_fds=[channel.fileno()],
        )

    async def _end_late(self) -> None:
        """Children that do not stop in time are killed: a stop takes less than 10 s."""
        waited = 0.0
        while self._processes and waited < STOP_SECONDS:
            await asyncio.sleep(0.1)
            waited += 0.1
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for process in list(self._processes.values()):
            with suppress(ProcessLookupError):
                process.send_signal(number)
