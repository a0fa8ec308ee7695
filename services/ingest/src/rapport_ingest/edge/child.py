"""A child's end: it takes the connections that its parent accepts, and ends when that is gone."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from rapport_common.runtime import Edge
from rapport_ingest.edge.channel import CLOSED, HANDING, READY, TAKEN
from rapport_ingest.edge.protocol import IngestProtocol

BUSY_SECONDS = 1.0
"""A connection is busy for so long after an answer."""

PARENT_POLL_SECONDS = 0.5
PR_SET_PDEATHSIG = 1


class Handed:
    """The child's end: connections come through `channel`, and it is told what becomes of them."""

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._taking: set[asyncio.Task[object]] = set()
        self._open: set[IngestProtocol] = set()

    def attach(self, factory: Callable[[], IngestProtocol]) -> None:
        """Take connections from now on, each with a protocol of its own."""
        asyncio.get_running_loop().add_reader(self._channel, self._take, factory)
        self._tell(READY)

    def detach(self) -> None:
        """Take no more connections."""
        asyncio.get_running_loop().remove_reader(self._channel)
        self._channel.close()

    def _take(self, factory: Callable[[], IngestProtocol]) -> None:
        loop = asyncio.get_running_loop()
        try:
            told, descriptors, _flags, _address = socket.recv_fds(self._channel, 1, 1)
        except OSError:
            return
        if not told:
            loop.remove_reader(self._channel)
            return
        if told != HANDING:
            self._tell(b"%db" % self._let_go(told[0] - 1))
            return
        for descriptor in descriptors:
            self._tell(TAKEN)
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            task = loop.create_task(
                loop.connect_accepted_socket(lambda: self._watched(factory()), connection)
            )
            self._taking.add(task)
            task.add_done_callback(self._taken)

    def _taken(self, task: "asyncio.Task[object]") -> None:
        self._taking.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._tell(CLOSED)

    def _let_go(self, count: int) -> int:
        """End `count` busy connections with their next answers; how many there are."""
        moment = asyncio.get_running_loop().time() - BUSY_SECONDS
        busy = [one for one in self._open if one.is_busy(moment)]
        for one in busy[:count]:
            one.leave()
        return len(busy)

    def _watched(self, protocol: IngestProtocol) -> IngestProtocol:
        lost = protocol.connection_lost
        self._open.add(protocol)

        def told(exc: Exception | None) -> None:
            self._open.discard(protocol)
            self._tell(CLOSED)
            lost(exc)

        protocol.connection_lost = told  # type: ignore[method-assign] # of this connection alone
        return protocol

    def _tell(self, what: bytes) -> None:
        with suppress(OSError):
            self._channel.send(what)


class ParentWatch:
    """Ends a child at once when its parent is gone: nobody may stay on the port alone."""

    name = "parent-watch"
    from_the_start = True

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


def edge_of(channel: int | None) -> Edge:
    """Ingest's protocol, over the connections that come through a channel; None: it listens."""
    handed = None if channel is None else Handed(socket.socket(fileno=channel))
    return Edge(IngestProtocol, handed)
