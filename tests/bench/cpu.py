"""Which process used which CPU: the processes' own accounts, read before and after a phase."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MILLION = 1_000_000
_SESSION = re.compile(r"postgres: (\w+) \w+ \S+\(\d+\)")
"""How Postgres names the process of a session: role, database, address and port."""

Accounts = dict[int, tuple[str, float]]
"""By process id: what it is, and the CPU seconds it has used so far."""


@dataclass(frozen=True)
class Reading:
    """The accounts at one moment; `busy` and `idle` are the seconds of all cores together."""

    accounts: Accounts
    busy: float
    idle: float


@dataclass(frozen=True)
class Meter:
    """Reads the accounts of these processes and all their children (name → process ids).

    A session of Postgres is counted for the role that opened it. It may be sent to another
    process: who makes the load reads when it begins and when it has ended, not when it is started.
    """

    processes: Mapping[str, tuple[int, ...]]

    def read(self) -> Reading:
        """Read all accounts now."""
        accounts: Accounts = {}
        for name, pids in self.processes.items():
            for pid in pids:
                for process, seconds in _family(pid):
                    accounts[process.pid] = _shown(name, process), seconds
        times = psutil.cpu_times()
        idle = times.idle + times.iowait
        # Guests are in `user` already.
        busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        return Reading(accounts, busy, idle)


@dataclass(frozen=True)
class Spent:
    """What a phase cost: CPU microseconds per event of each process, and how busy the cores were.

    `else` is everything on the machine that is none of these: the supervisor, and other people.
    """

    phase: str
    micros: Mapping[str, float]
    busy: float

    @classmethod
    def between(cls, phase: str, read: Sequence[Reading], events: int, generator: float) -> Spent:
        """Tell it from the first and last reading; `generator` are the CPU seconds of the load."""
        before, after = read[0], read[-1]
        seconds = _grown(before.accounts, after.accounts)
        seconds["generator"] = generator
        busy = after.busy - before.busy
        seconds["else"] = max(0.0, busy - sum(seconds.values()))
        per_event = {name: used * MILLION / max(1, events) for name, used in seconds.items()}
        return cls(phase, per_event, busy / max(0.01, busy + after.idle - before.idle))

    def record(self) -> dict[str, object]:
        """The phase for programs that compare runs."""
        micros = {name: round(used, 1) for name, used in self.micros.items()}
        return {"phase": self.phase, "us_per_event": micros, "cores_busy": round(self.busy, 3)}


def table(phases: Sequence[Spent]) -> Table:
    """A column per phase, a line per process."""
    made = Table(title="CPU, microseconds per event", title_justify="left")
    made.add_column("process")
    for phase in phases:
        made.add_column(phase.phase, justify="right")
    names = list(dict.fromkeys(name for phase in phases for name in phase.micros))
    names.sort(key=lambda one: one in {"generator", "else"})
    for name in names:
        used = [phase.micros.get(name) for phase in phases]
        made.add_row(name, *("" if one is None else f"{one:,.1f}" for one in used))
    made.add_section()
    made.add_row("cores busy", *(f"{phase.busy:.0%}" for phase in phases))
    return made


def _family(pid: int) -> Iterator[tuple[psutil.Process, float]]:
    """A process and its children, each with what it used, and its children that have ended."""
    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
    except psutil.Error:
        return
    for one in family:
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        ended = times.children_user + times.children_system
        yield one, times.user + times.system + ended


def _shown(name: str, process: psutil.Process) -> str:
    if name != "postgres":
        return name
    try:
        session = _SESSION.match(" ".join(process.cmdline()))
    except psutil.Error:
        return name
    return f"{name}: {session[1]}" if session else name


def _grown(before: Accounts, after: Accounts) -> dict[str, float]:
    """CPU seconds between two readings by what used them; who is new began at nothing."""
    seconds: dict[str, float] = defaultdict(float)
    for pid, (name, used) in after.items():
        seconds[name] += used - before.get(pid, ("", 0.0))[1]
    for pid, (name, used) in before.items():
        if pid not in after:  # all that it ever used is in its parent's account now
            seconds[name.split(":")[0]] -= used
    return {name: max(0.0, used) for name, used in seconds.items()}
