"""Starting and ending child processes so that none outlives its parent, whatever happens to it."""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, TYPE_CHECKING

from rapport_local import reaper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PR_SET_PDEATHSIG = 1
TAIL_LINES = 12

# On Linux a child asked to die with its parent dies with the *thread* that forked it. All children
# are therefore forked by this one thread, which lives as long as the process.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What to run and how to end it. `env` is the whole environment; `user` needs root."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0


class Running:
    """One started process, the leader of its own session and process group."""

    def __init__(self, program: Program, popen: subprocess.Popen[bytes]) -> None:
        self.program = program
        self.pid = popen.pid
        self.started = time.monotonic()
        self.exited = Event()
        self.exit_code: int | None = None
        Thread(target=self._wait, args=(popen,), name=f"wait-{popen.pid}", daemon=True).start()

    def _wait(self, popen: subprocess.Popen[bytes]) -> None:
        self.exit_code = popen.wait()
        # Worker processes of a killed service would keep its port.
        _signal_group(self.pid, signal.SIGKILL)
        _watcher.forget(self.pid)
        self.exited.set()

    @property
    def alive(self) -> bool:
        """Whether the process has not ended yet."""
        return not self.exited.is_set()

    @property
    def lived(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def send(self, number: int) -> None:
        """Send a signal to the process alone, if it still runs."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self) -> int:
        """End the process by its stop signal, after its time by SIGKILL; returns the exit code."""
        self.send(self.program.stop_signal)
        self.send(signal.SIGCONT)  # a frozen process must be able to hear it
        if not self.exited.wait(self.program.stop_seconds):
            _signal_group(self.pid, signal.SIGKILL)
            self.exited.wait()
        return self.exit_code or 0


def spawn(program: Program, log: Path) -> Running:
    """Start a program with its output appended to `log`; it ends when this process ends.

    The output goes straight to the file, not through a pipe, so nothing blocks when we die.
    """
    return _forker.submit(_spawn, program, log).result()


def _spawn(program: Program, log: Path) -> Running:
    with log.open("ab") as output:
        popen = _open(program, output)
    _watcher.remember(popen.pid, program.stop_signal)
    return Running(program, popen)


def _open(program: Program, output: IO[bytes]) -> subprocess.Popen[bytes]:
    group = pwd.getpwnam(program.user).pw_gid if program.user else None
    return subprocess.Popen(
        program.argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(program.env),
        cwd=program.cwd or "/",
        start_new_session=True,
        user=program.user,
        group=group,
        extra_groups=[] if program.user else None,
        preexec_fn=_death_note(program.stop_signal),  # noqa: PLW1509 - two system calls, no Python state
    )


def _death_note(number: int) -> Callable[[], None] | None:
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


class _Watcher:
    """Our end of the reaper: it is started with the first child and told of each one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._children: set[int] = set()
        self._reaper: subprocess.Popen[bytes] | None = None

    def remember(self, pid: int, number: int) -> None:
        """Note a child and the signal that ends it."""
        self._children.add(pid)
        self._note(f"+{pid} {int(number)}\n")

    def forget(self, pid: int) -> None:
        """Note that a child has ended."""
        self._children.discard(pid)
        self._note(f"-{pid}\n")

    def _note(self, line: str) -> None:
        # The reaper may have been killed, or be closed already because we are exiting.
        with self._lock, suppress(BrokenPipeError, ValueError):
            self._reaper = self._reaper or self._start()
            if self._reaper.stdin is not None:
                self._reaper.stdin.write(line.encode())
                self._reaper.stdin.flush()

    def _start(self) -> subprocess.Popen[bytes]:
        atexit.register(self._close)
        return subprocess.Popen(
            [sys.executable, "-I", "-S", reaper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def _close(self) -> None:
        """At our own exit: what still runs is the reaper's to end; else it ends with us."""
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            if not self._children:
                self._reaper.wait()


_watcher = _Watcher()


def spawn_detached(argv: list[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program that goes on when this process ends (the supervisor)."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd="/",
            start_new_session=True,
        )


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log file; empty when there is none."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 16384))
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]
