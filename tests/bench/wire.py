"""The cheapest HTTP client there is: bare sockets, a request in flight on each, no event loop.

Of an answer nothing is read but its length: what the client costs is taken from what it measures.
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

END = b"\r\n\r\n"
LENGTH, CLOSE = b"content-length:", b"connection: close"
OK = b"HTTP/1.1 200"
MOST = 2**14
"""So many bytes are read at a time: a larger buffer would be asked of the system each time."""


class Wire:
    """Kept-open connections, each known by its number; they are dealt out to the `ports` in turn.

    One that the server has closed is opened again.
    """

    def __init__(self, host: str, ports: Sequence[int], connections: int) -> None:
        self._addresses = [(host, ports[number % len(ports)]) for number in range(connections)]
        self._poll = select.epoll()
        self._numbers: dict[int, int] = {}
        self._parts: dict[int, bytes] = {}
        self._asked: set[int] = set()
        self._sockets = [self._open(number) for number in range(connections)]

    def _open(self, number: int) -> socket.socket:
        made = socket.create_connection(self._addresses[number], 5)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
        made.setblocking(False)
        self._numbers[made.fileno()] = number
        self._poll.register(made, select.EPOLLIN)
        return made

    def send(self, number: int, request: bytes) -> None:
        """Send a whole request; the one before must have been answered."""
        connection = self._sockets[number]
        self._asked.add(number)
        try:
            sent = connection.send(request)
            if sent < len(request):
                connection.settimeout(5)
                connection.sendall(request[sent:])
                connection.setblocking(False)
        except OSError:
            connection.shutdown(socket.SHUT_RDWR)  # which is an answer, too: an empty one

    def answers(self, seconds: float) -> list[tuple[int, bytes]]:
        """Wait so long at the most; (number, answer) of who got one, empty when it was lost."""
        found = []
        for descriptor, _ in self._poll.poll(seconds):
            number = self._numbers[descriptor]
            try:
                data = self._sockets[number].recv(MOST)
            except OSError:
                data = b""
            if not data:
                self._parts.pop(number, None)
                self._again(number, descriptor)
                if number in self._asked:
                    self._asked.remove(number)
                    found.append((number, b""))
                continue
            if self._parts:
                data = self._parts.pop(number, b"") + data
            end = data.find(END)
            head = data[:end].lower()
            if end < 0 or len(data) < end + len(END) + body_length(head):
                self._parts[number] = data
                continue
            if CLOSE in head:
                self._again(number, descriptor)
            self._asked.remove(number)
            found.append((number, data))
        return found

    def _again(self, number: int, descriptor: int) -> None:
        del self._numbers[descriptor]
        self._sockets[number].close()
        self._sockets[number] = self._open(number)

    def close(self) -> None:
        """Close all of them."""
        for one in self._sockets:
            one.close()
        self._poll.close()


def body_length(head: bytes) -> int:
    """How long a body is by the head before it, which is in lower case."""
    at = head.find(LENGTH)
    end = head.find(b"\r", at)
    return int(head[at + len(LENGTH) : end if end > 0 else None]) if at >= 0 else 0
