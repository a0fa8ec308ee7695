"""The ports of one stack, all counted from one base, and who holds them when they are taken."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from dataclasses import dataclass
from threading import Lock
from typing import Self

import psutil

from rapport_local.errors import LocalError

HOST = "127.0.0.1"
SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")
DEFAULT_BASE = 8100
SPAN = 36  # ports used from the base on
WORKER = "-worker"  # after a service's name: the component that works where it is split
WORKERS = 4  # metrics ports kept for the worker processes of one service
LOWEST_BASE = 1024  # below, ports are root's
HIGHEST_BASE = 65535 - SPAN
CLAIM = 30  # of a drawn base: nobody's port, but held by whoever has drawn it
# Free bases are drawn below the range from which systems pick ports for outgoing connections.
FREE_BASES = range(20000, 32000, SPAN)


@dataclass(frozen=True)
class Ports:
    """Port numbers of one stack, from `base` to `base + 35`."""

    base: int = DEFAULT_BASE

    @classmethod
    def from_environment(cls) -> Self:
        """Read `RAPPORT_PORT_BASE`, default 8100."""
        text = os.environ.get("RAPPORT_PORT_BASE") or str(DEFAULT_BASE)
        if not text.isdigit() or not LOWEST_BASE <= int(text) <= HIGHEST_BASE:
            raise LocalError(
                code="bad_port_base",
                message=f"RAPPORT_PORT_BASE is {text!r}. Give a number from {LOWEST_BASE} to "
                f"{HIGHEST_BASE}.",
                details={"value": text},
            )
        return cls(int(text))

    @classmethod
    def free(cls) -> Self:
        """Draw a base whose ports are all free; no other process draws it while this one lives.

        Servers need time to start, and may be stopped and started again: that nobody listens says
        nothing about a moment later.
        """
        return cls(_claims.base())

    @property
    def intake(self) -> int:
        """Port at which campaign takes mails that come back."""
        return self.base + 31

    @property
    def postgres(self) -> int:
        """Port of Postgres."""
        return self.base + 32

    @property
    def kafka(self) -> int:
        """Port of Kafka for clients."""
        return self.base + 33

    @property
    def controller(self) -> int:
        """Port of Kafka's own controller."""
        return self.base + 34

    @property
    def smtp(self) -> int:
        """Port of the mail catcher."""
        return self.base + 35

    def service(self, name: str) -> int:
        """Return the API port of a service."""
        return self.base + SERVICES.index(name)

    def metrics(self, name: str, worker: int = 0) -> int:
        """Return the metrics port of worker process `worker` (0 to 3) of a service."""
        return self.base + 10 + WORKERS * SERVICES.index(name) + worker

    def worker(self, name: str) -> int:
        """Return the port of the process that works for a split service: metrics and readiness."""
        return self.metrics(name, WORKERS - 1)


class _Claims:
    """The bases this process has drawn: it holds a port of each, bound but without listening."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rest = range(0)

    def base(self) -> int:
        """Draw a base; raises `no_free_ports`."""
        for _ in range(100):
            base = secrets.choice(FREE_BASES)
            if self._claim(base):
                return base
        raise LocalError(
            code="no_free_ports",
            message=f"No {SPAN} free ports in a row between {FREE_BASES.start} and "
            f"{FREE_BASES.stop}. Stop what listens there.",
        )

    def next(self, count: int) -> int:
        """Return the first of `count` ports in a row that are given to nobody else."""
        with self._lock:
            if len(self._rest) < count:
                base = self.base()
                self._rest = range(base, base + CLAIM)
            first, self._rest = self._rest[0], self._rest[count:]
            return first

    def _claim(self, base: int) -> bool:
        held = socket.socket()
        try:
            # Without SO_REUSEADDR: of two that try at the same time the system lets one.
            held.bind((HOST, base + CLAIM))
        except OSError:
            held.close()
            return False
        if any(taken(port) for port in range(base, base + SPAN) if port != base + CLAIM):
            held.close()
            return False
        held.detach()  # it is held until this process ends, however that may be
        return True


_claims = _Claims()


def free_ports(count: int) -> int:
    """Return the first of `count` (up to 30) ports in a row; this process gives each only once."""
    return _claims.next(count)


def free_port() -> int:
    """Return a free port of this machine; this process gives it only once."""
    return free_ports(1)


def taken(port: int) -> bool:
    """Tell whether a server on 127.0.0.1 could not have `port`."""
    with socket.socket() as probe:
        # As servers do: closed connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def check_free(wanted: dict[int, str]) -> None:
    """Raise `port_taken` for the first port of `wanted` (port -> component) that is in use."""
    for port, component in wanted.items():
        if taken(port):
            holder = _holder(port)
            by = f" by {holder}" if holder else ""
            raise LocalError(
                code="port_taken",
                message=f"Port {port} ({component}) is taken{by}. Stop that program, or start with "
                "another base, for example RAPPORT_PORT_BASE=9100.",
                details={"port": port, "component": component, "holder": holder},
            )


def _holder(port: int) -> str | None:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None  # other users' sockets are hidden from a normal user on some systems
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr
        if listens and listens.port == port:
            return _describe(connection.pid)
    return None


def _describe(pid: int | None) -> str | None:
    if pid is None:
        return None
    try:
        command = " ".join(psutil.Process(pid).cmdline())[:80]
    except psutil.Error:
        command = "another user's program"
    return f"`{command}` (pid {pid})"
