"""A handle on one whole stack: start it, look at it, hurt it, end it."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import psutil

from rapport_local import jars
from rapport_local.board import Notice, survivors
from rapport_local.credentials import Credentials
from rapport_local.errors import LocalError
from rapport_local.files import is_locked, locked
from rapport_local.paths import cache_folder
from rapport_local.ports import check_free
from rapport_local.process import Program, spawn, spawn_detached, tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rapport_local.config import Config

STOP_SECONDS = 60.0
POLL_SECONDS = 0.1


class Stack:
    """All components of one home, run by a supervisor process.

    The supervisor of a `detached` stack goes on when this process ends; otherwise it ends with it.
    """

    def __init__(self, config: Config, *, detached: bool = False) -> None:
        self.config = config
        self.home = config.home
        self._detached = detached

    def start(
        self,
        on_change: Callable[[Notice], None] | None = None,
        on_download: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Start everything and wait until all is ready (three minutes at most).

        `on_change` sees the notice board on each look; `on_download` counts Kafka's jars. Raises
        `already_up`, `port_taken`, `download_failed`, `disk_full`, `component_died`, …; nothing
        runs any more then.
        """
        self.home.create()
        with locked(self.home.root / "start.lock"):
            return self._start(on_change or _ignore, on_download)

    def _start(
        self, on_change: Callable[[Notice], None], on_download: Callable[[int, int], None] | None
    ) -> Self:
        if self.is_up():
            raise LocalError(
                code="already_up",
                message=f"The stack in {self.home.root} is already up. `make down` ends it.",
            )
        self.sweep()
        check_free(self.config.wanted_ports())
        if "kafka" in self.config.components:
            jars.ensure(cache_folder(self.home) / "jars", on_download)
        self.config.write()
        self.home.state.unlink(missing_ok=True)
        alive = self._launch()
        try:
            self._wait_ready(alive, on_change)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything in order; returns when nothing runs any more. Kills what will not end."""
        supervisor = self._supervisor()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if supervisor is None:
                break
            with suppress(psutil.NoSuchProcess):
                supervisor.send_signal(number)
            if _ended(supervisor):
                break
        self.sweep()

    def sweep(self) -> None:
        """Kill components that outlived a killed supervisor."""
        notice = self.notice()
        left = survivors(notice.components.values()) if notice and not self.is_up() else []
        for process in left:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        psutil.wait_procs(left, timeout=5)

    def is_up(self) -> bool:
        """Tell whether a supervisor runs for this home."""
        return is_locked(self.home.lock)

    def notice(self) -> Notice | None:
        """Return what the supervisor last wrote; None when there never was one."""
        return Notice.read(self.home.state)

    def pid(self, component: str) -> int:
        """Return the process id of a component; raises `not_running`."""
        notice = self.notice()
        pid = notice.components[component].pid if notice else None
        if pid is None:
            raise LocalError(code="not_running", message=f"{component} does not run.")
        return pid

    def kill(self, component: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to a component's process; returns its pid."""
        pid = self.pid(component)
        os.kill(pid, number)
        return pid

    def wait_component(self, component: str, *, not_pid: int) -> int:
        """Wait until a component is ready under another pid than `not_pid`; returns that pid.

        As long as a start may take, then LocalError.
        """
        seconds = self.config.start_seconds
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            notice = self.notice()
            entry = notice.components[component] if notice else None
            if entry and entry.pid and entry.pid != not_pid and entry.state == "ready":
                return entry.pid
            time.sleep(POLL_SECONDS / 2)
        raise LocalError(
            code="component_not_ready",
            message=f"{component} was not back within {seconds:.0f} s. "
            f"See {self.home.log(component)}.",
        )

    def url(self, service: str) -> str:
        """Return the base URL of a service's API."""
        return self.config.url(service)

    def credentials(self) -> Credentials:
        """Return this home's secrets."""
        return Credentials.load(self.home.credentials)

    def _supervisor(self) -> psutil.Process | None:
        """Find the supervisor by the pid it notes in the file it holds locked."""
        while self.is_up():
            text = self.home.lock.read_text()
            if text:
                with suppress(psutil.NoSuchProcess):
                    return psutil.Process(int(text))
            time.sleep(POLL_SECONDS)
        return None

    def _launch(self) -> Callable[[], bool]:
        """Start the supervisor; returns a function that tells whether it is alive."""
        argv = [sys.executable, "-m", "rapport_local.supervisor", str(self.home.root)]
        log = self.home.log("supervisor")
        if self._detached:
            popen = spawn_detached(argv, log, os.environ)
            return lambda: popen.poll() is None
        running = spawn(Program(argv=tuple(argv), stop_seconds=STOP_SECONDS), log)
        return lambda: running.alive

    def _wait_ready(self, alive: Callable[[], bool], on_change: Callable[[Notice], None]) -> None:
        deadline = time.monotonic() + self.config.start_seconds
        while time.monotonic() < deadline:
            lives = alive()  # asked before the board is read: its last word must not be missed
            notice = self.notice()
            if notice is not None:
                on_change(notice)
                if notice.phase == "ready":
                    return
            if not lives:
                raise (notice and notice.failure()) or self._supervisor_died()
            time.sleep(POLL_SECONDS)
        raise LocalError(
            code="start_timeout",
            message=f"The stack was not ready within {self.config.start_seconds:.0f} s. "
            f"See {self.home.logs}.",
        )

    def _supervisor_died(self) -> LocalError:
        log = self.home.log("supervisor")
        return LocalError(
            code="supervisor_died",
            message=f"The supervisor ended while the stack was starting. See {log}.",
            details={"log": str(log), "tail": tail(log)},
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


def _ended(process: psutil.Process) -> bool:
    """Wait for the end of a process that need not be our child."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        # A zombie whose parent has not collected it yet has ended all the same.
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(POLL_SECONDS / 2)
                continue
        return True
    return False


def _ignore(_notice: Notice) -> None:
    """Look away."""
