"""The supervisor's notice board: one JSON file that tells others how the stack is doing."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Literal, Self

import psutil

from rapport_local.errors import LocalError
from rapport_local.files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Phase = Literal["starting", "ready", "failed", "stopping"]
State = Literal[
    "waiting", "preparing", "migrating", "starting", "ready", "unready", "restarting", "stopped"
]


@dataclass
class Entry:
    """How one component is doing. `born` is the system's start time of the process, `since` is the
    time of the last change of state; both in seconds since 1970.
    """

    port: int
    state: State = "waiting"
    pid: int | None = None
    born: float | None = None
    restarts: int = 0
    since: float = field(default_factory=time.time)


@dataclass
class Notice:
    """The whole board."""

    supervisor: int
    phase: Phase = "starting"
    started: float = field(default_factory=time.time)
    components: dict[str, Entry] = field(default_factory=dict)
    error: dict[str, object] | None = None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read the file; None when there is none."""
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        data["components"] = {name: Entry(**entry) for name, entry in data["components"].items()}
        return cls(**data)

    def failure(self) -> LocalError | None:
        """Return the error that ended the start, if one did."""
        return LocalError.from_json(self.error) if self.error else None


class Board:
    """The writing side, used by the supervisor's threads."""

    def __init__(self, path: Path, supervisor: int, ports: dict[str, int]) -> None:
        self._path = path
        self._lock = Lock()
        entries = {name: Entry(port=port) for name, port in ports.items()}
        self._notice = Notice(supervisor=supervisor, components=entries)
        self._write()

    def show(self, component: str, state: State, pid: int | None = None) -> None:
        """Note a component's new state; a pid also counts as a (re)start."""
        with self._lock:
            entry = self._notice.components[component]
            restarted = pid is not None and pid != entry.pid
            if restarted and pid is not None:
                entry.restarts += entry.pid is not None
                entry.pid, entry.born = pid, born(pid)
            if entry.state != state:
                entry.state, entry.since = state, time.time()
            elif not restarted:
                return
            self._write()

    def phase(self, phase: Phase, error: LocalError | None = None) -> None:
        """Note what the stack as a whole does."""
        with self._lock:
            self._notice.phase = phase
            if error is not None:
                self._notice.error = error.as_json()
            self._write()

    def _write(self) -> None:
        try:
            write_private(self._path, json.dumps(asdict(self._notice)))
        except OSError as error:
            # A full disk must not end the supervision of what still runs.
            print(f"cannot write {self._path}: {error}", file=sys.stderr, flush=True)


def born(pid: int) -> float | None:
    """Return when a process was started; None when it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def survivors(entries: Iterable[Entry]) -> list[psutil.Process]:
    """Return the noted processes that still run; a reused pid is told by its birth time."""
    pids = [e.pid for e in entries if e.pid is not None and e.born == born(e.pid)]
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
