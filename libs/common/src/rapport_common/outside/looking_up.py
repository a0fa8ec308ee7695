"""What names lead to, looked up so that servers of names which never answer hold up nobody else.

The system's own look-up can't be cancelled and takes a thread until it gives up, which may be half
a minute. The event loop has few of those, for all of a process: where others name the hosts, their
look-ups have threads of their own, and those of one domain have two of them.
"""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

THREADS: Final = 16
OF_A_DOMAIN: Final = 2
_LABELS: Final = 2
"""Of a name, from its end: who has a domain has all names below it."""

LookUp = Callable[[str, int], list[str]]


def by_system(host: str, port: int) -> list[str]:
    """Addresses by the system's own way (getaddrinfo); none where there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class LookUps:
    """The look-ups of a process's connections to whom others name."""

    def __init__(self, look_up: LookUp = by_system, *, threads: int = THREADS) -> None:
        self._look_up = look_up
        self._threads = asyncio.Semaphore(threads)
        self._under_way: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._domains: dict[str, asyncio.Semaphore] = {}
        self._asked: Counter[str] = Counter()

    async def addresses(self, host: str, port: int) -> list[str]:
        """What a name leads to; an address leads to itself, without a look."""
        with suppress(ValueError):
            return [str(ip_address(host))]
        key = host.lower().rstrip("."), port
        found = self._under_way.get(key)
        if found is None:
            found = asyncio.get_running_loop().create_task(self._looked_up(*key))
            self._under_way[key] = found
            found.add_done_callback(lambda _: self._under_way.pop(key, None))
        # Whoever waits may give up; what is under way is for the next, too.
        return await asyncio.shield(found)

    async def _looked_up(self, host: str, port: int) -> list[str]:
        domain = ".".join(host.split(".")[-_LABELS:])
        room = self._domains.setdefault(domain, asyncio.Semaphore(OF_A_DOMAIN))
        self._asked[domain] += 1
        try:
            async with room, self._threads:
                return await self._in_thread(host, port)
        finally:
            self._asked[domain] -= 1
            if not self._asked[domain]:
                del self._asked[domain], self._domains[domain]

    async def _in_thread(self, host: str, port: int) -> list[str]:
        """A thread of its own: those of an executor are waited for when the process ends."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def tell(addresses: list[str]) -> None:
            if not found.done():
                found.set_result(addresses)

        def look() -> None:
            addresses = self._look_up(host, port)
            # Nobody is there any more to be told.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, addresses)

        threading.Thread(target=look, name="look-up", daemon=True).start()
        return await found
