"""What Postgres, Kafka, the mail catcher and the services share: one process on one port."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from rapport_local.errors import LocalError
from rapport_local.process import Program, Running, spawn, tail

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

POLL_SECONDS = 0.05
START_SECONDS = 180.0


class Server(ABC):
    """One process with a port, a log file and a way to tell that it is ready.

    Tests drive it by `start`, `stop`, `kill` and `restart`; the supervisor by the single steps
    `prepare`, `launch`, `ready`, `recover`.
    """

    ready_seconds = START_SECONDS
    """The longest that its start may take."""

    def __init__(self, name: str, port: int, log: Path) -> None:
        self.name = name
        self.port = port
        self.log = log
        self.running: Running | None = None

    @abstractmethod
    def program(self) -> Program:
        """Return the command to run."""

    @abstractmethod
    def ready(self) -> bool:
        """Tell within a second or so whether the process does its work."""

    def prepare(self) -> None:
        """Make what the first start needs; does nothing when it is there."""
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def recover(self) -> None:
        """Clear up what a sudden death left behind, before the next launch."""
        self.running = None

    def launch(self) -> Running:
        """Start the process without waiting for it to be ready."""
        self.running = spawn(self.program(), self.log)
        return self.running

    def wait_ready(self) -> None:
        """Wait until `ready`; raises `component_died` or `component_not_ready`."""
        deadline = time.monotonic() + self.ready_seconds
        while not self.ready():
            if self.running is None or not self.running.alive:
                raise self.failure("component_died", "ended before it was ready")
            if time.monotonic() > deadline:
                raise self.failure("component_not_ready", "did not become ready in time")
            time.sleep(POLL_SECONDS)

    def start(self) -> Self:
        """Prepare, launch and wait."""
        self.prepare()
        self.launch()
        self.wait_ready()
        return self

    def stop(self) -> None:
        """End the process gracefully; does nothing when it does not run."""
        if self.running is not None:
            self.running.stop()
            self.running = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process; waits for its end if that signal is SIGKILL."""
        if self.running is not None:
            self.running.send(number)
            if number == signal.SIGKILL:
                self.running.exited.wait()

    def restart(self) -> None:
        """Start again after `kill` or `stop`, on the same data and port."""
        self.stop()
        self.recover()
        self.launch()
        self.wait_ready()

    @property
    def pid(self) -> int | None:
        """Process id, or None when it does not run."""
        return self.running.pid if self.running and self.running.alive else None

    def failure(self, code: str, what: str) -> LocalError:
        """Build an error that names this component and shows its last log lines."""
        lines = tail(self.log)
        full = any("No space left on device" in line for line in lines)
        advice = "The disk is full: free some space." if full else f"See {self.log}."
        return LocalError(
            code="disk_full" if full else code,
            message=f"{self.name} (port {self.port}) {what}. {advice}",
            details={
                "component": self.name,
                "port": self.port,
                "log": str(self.log),
                "tail": lines,
            },
        )

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def start_together(servers: Iterable[Server]) -> None:
    """Start several servers at once and wait for all; stops all when one fails."""
    chosen = list(servers)
    try:
        with ThreadPoolExecutor(max_workers=len(chosen)) as pool:
            list(pool.map(lambda server: server.start(), chosen))
    except BaseException:
        for server in chosen:
            server.stop()
        raise
