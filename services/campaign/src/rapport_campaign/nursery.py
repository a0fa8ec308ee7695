"""Where renderers come from: a process that has all they need in memory, and forks itself.

It is forked from ours when nothing else has been imported, so what renderers need is there once,
for us and for all of them; each has only what it writes for itself. A renderer that had to be ended
is there again in milliseconds. Without it, or when it has died, renderers are
started as any program.

It ends when the socket to it closes, however we end; so do renderers.
"""

import asyncio
import gc
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from rapport_campaign.render.__main__ import serve

_ASK = struct.Struct("!ci")
"""What is asked of it: `f`, fork (with a socket); `k` and a process, kill."""
_FORK, _KILL = b"f", b"k"
_PID = struct.Struct("!i")
_CHUNK = 2**16
BORN_SECONDS = 10.0
"""For a fork, which takes some milliseconds."""


@dataclass(eq=False, slots=True)
class Child:
    """A renderer of it, as `asyncio.subprocess.Process` is one of its own."""

    pid: int
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    _nursery: "Nursery"

    @property
    def returncode(self) -> int | None:
        """None while it lives, as far as we have heard."""
        return 0 if self.stdout.at_eof() or self.stdout.exception() is not None else None

    def kill(self) -> None:
        """End it at once."""
        if not self._nursery.kill(self.pid) and self.returncode is None:
            # Nobody else has the other end of its socket, so it is there still.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until it has ended: it is heard of no more then."""
        # Whoever dies with something unread resets the connection.
        with suppress(ConnectionError):
            while await self.stdout.read(_CHUNK):
                pass
        self.stdin.close()
        return 0


class Nursery:
    """Our side of it; `pid` is its process."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        control.setblocking(False)
        self.pid = pid
        self._control = control
        self._lock = asyncio.Lock()

    async def child(self) -> Child | None:
        """A new renderer; None when there is no nursery any more, or it does not answer."""
        # Who is cancelled while others are answered has asked nothing.
        async with self._lock:
            return await self._asked()

    async def _asked(self) -> Child | None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                async with asyncio.timeout(BORN_SECONDS):
                    socket.send_fds(self._control, [_ASK.pack(_FORK, 0)], [theirs.fileno()])
                    answer = await asyncio.get_running_loop().sock_recv(self._control, _PID.size)
            if len(answer) == _PID.size:
                reader, writer = await asyncio.open_unix_connection(sock=ours)
                return Child(_PID.unpack(answer)[0], writer, reader, self)
        except BaseException as error:
            # What it still answers would be read as its answer to somebody else.
            self._control.close()
            ours.close()
            if not isinstance(error, OSError):
                raise
        ours.close()
        return None

    def close(self) -> None:
        """Let it end; renderers do when nobody speaks to them."""
        self._control.close()

    def kill(self, pid: int) -> bool:
        """End a renderer of it; by its parent, who knows whether the number is still its own.

        False when there is no nursery any more.
        """
        try:
            self._control.send(_ASK.pack(_KILL, pid))
        except OSError:
            return False
        return True


def begin() -> Nursery:
    """Fork it. Call it before there is a loop or a thread, and before all else is imported: what we
    write to of what we share is there twice.
    """
    gc.collect()
    # Looking for garbage would write to all of it.
    gc.freeze()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _tend(theirs)
    theirs.close()
    return Nursery(pid, ours)


def _tend(control: socket.socket) -> NoReturn:
    """Fork and kill what is asked for, until nobody asks any more."""
    status = 1
    try:
        # Whoever ends us ends the process that asks, and with it the socket.
        os.setsid()
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.SIG_IGN)
        living = set[int]()
        while True:
            asked, sockets, *_ = socket.recv_fds(control, _ASK.size, 1, socket.MSG_WAITALL)
            if len(asked) < _ASK.size:
                break
            _bury(living)
            verb, pid = _ASK.unpack(asked)
            if verb == _KILL and pid in living:
                os.kill(pid, signal.SIGKILL)
            for number in sockets:
                living.add(born := _born(control, number))
                control.sendall(_PID.pack(born))
        status = 0
    finally:
        os._exit(status)


def _born(control: socket.socket, number: int) -> int:
    """A renderer at the other end of a socket; its process id."""
    pid = os.fork()
    if pid:
        os.close(number)
        return pid
    status = 1
    try:
        control.close()
        os.setsid()
        with (
            suppress(BrokenPipeError, ConnectionResetError),
            socket.socket(fileno=number) as spoken,
            spoken.makefile("rb") as incoming,
            spoken.makefile("wb") as outgoing,
        ):
            serve(incoming, outgoing)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _bury(living: set[int]) -> None:
    for pid in list(living):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            # Where nobody wants to hear of children's ends the kernel buries them.
            ended = True
        if ended:
            living.remove(pid)
