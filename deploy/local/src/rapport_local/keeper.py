"""Keeps one component alive: starts it, watches it, starts it again when it dies."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING

from rapport_local.backoff import Backoff
from rapport_local.errors import LocalError, disk_full, is_disk_full

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapport_local.board import Board, State
    from rapport_local.process import Running
    from rapport_local.server import Server

POLL_SECONDS = 0.1
CHECK_SECONDS = 2.0
DEATHS_AT_START = 3


class Keeper:
    """One thread that owns one server.

    Until the component has been ready once, three deaths or too long a wait are a failure that
    ends the start of the stack; afterwards it is started again for ever.
    """

    def __init__(self, server: Server, board: Board) -> None:
        self.server = server
        self.failure: LocalError | None = None
        self.was_ready = Event()
        self._board = board
        self._stop = Event()
        self._backoff = Backoff()
        self._thread = Thread(target=self._run, name=server.name)
        self._launched: float | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask for a graceful end of the component; see `wait_stopped`."""
        self._stop.set()

    def wait_stopped(self) -> None:
        """Wait for the component's end."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._board.show(self.server.name, "preparing")
            self.server.prepare()
            self._keep()
        except LocalError as error:
            self.failure = error
        except OSError as error:
            full = is_disk_full(error)
            self.failure = disk_full(self.server.log) if full else self._cannot_start(error)
        finally:
            self.server.stop()
            self._board.show(self.server.name, "stopped")

    def _keep(self) -> None:
        while not self._stop.is_set():
            running = self._launch()
            if running is not None:
                self._watch(running)
            if self._stop.is_set():
                return
            wait = self._after_death(running.lived if running else 0)
            self._board.show(self.server.name, "restarting")
            self._stop.wait(wait)
            self.server.recover()

    def _launch(self) -> Running | None:
        self._launched = self._launched or time.monotonic()
        try:
            running = self.server.launch()
        except OSError:
            # No process or log file to be had just now: a component that once worked tries again.
            if not self.was_ready.is_set():
                raise
            return None
        self._board.show(self.server.name, "starting", running.pid)
        return running

    def _watch(self, running: Running) -> None:
        """Show whether the component is ready, until it dies or we are told to stop."""
        next_check = 0.0
        once_ready = False
        while not self._stop.is_set() and not running.exited.wait(POLL_SECONDS):
            if time.monotonic() < next_check:
                continue
            ready = self.server.ready()
            once_ready = once_ready or ready
            self._show(ready=ready, not_yet="unready" if once_ready else "starting")
            next_check = time.monotonic() + (CHECK_SECONDS if ready else 0)
            self._check_start()

    def _show(self, *, ready: bool, not_yet: State) -> None:
        if ready:
            self.was_ready.set()
        self._board.show(self.server.name, "ready" if ready else not_yet)

    def _check_start(self) -> None:
        waited = time.monotonic() - (self._launched or time.monotonic())
        if not self.was_ready.is_set() and waited > self.server.ready_seconds:
            raise self.server.failure("component_not_ready", "did not become ready in time")

    def _after_death(self, lived: float) -> float:
        wait = self._backoff.after_death(lived)
        if not self.was_ready.is_set() and self._backoff.deaths >= DEATHS_AT_START:
            raise self.server.failure("component_died", "keeps ending before it is ready")
        return wait

    def _cannot_start(self, error: OSError) -> LocalError:
        return LocalError(
            code="component_not_started",
            message=f"{self.server.name} could not be started: {error}. See {self.server.log}.",
            details={"component": self.server.name},
        )


def wait_until_ready(keepers: Sequence[Keeper], stop: Event) -> None:
    """Wait for all to be ready once, or for `stop`; raises the first failure."""
    while not stop.is_set():
        for keeper in keepers:
            if keeper.failure is not None:
                raise keeper.failure
        if all(keeper.was_ready.is_set() for keeper in keepers):
            return
        stop.wait(POLL_SECONDS)
