"""What people see: progress of the start, the status table, the addresses, one-line errors."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import psutil
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rapport_local.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapport_local.board import Entry, Notice
    from rapport_local.config import Config
    from rapport_local.credentials import Credentials
    from rapport_local.errors import LocalError

STATE_STYLES = {"ready": "green", "unready": "yellow", "restarting": "red", "stopped": "red"}
MIB = 2**20

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Progress:
    """One line per component; on a terminal they are redrawn, elsewhere each change is printed."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._began = time.monotonic()
        self._seen: dict[str, str] = {}

    def downloaded(self, done: int, total: int) -> None:
        """Show how many of Kafka's jars have arrived."""
        text = f"Fetching Kafka: {done} of {total} files"
        if self._live:
            self._live.update(Text(text))
        elif done in {0, total}:
            console.print(text)

    def changed(self, notice: Notice) -> None:
        """Show the notice board."""
        if self._live:
            self._live.update(self._table(notice))
            return
        for name, entry in notice.components.items():
            if self._seen.get(name) != entry.state:
                self._seen[name] = entry.state
                if entry.state != "waiting":
                    console.print(f"{self._elapsed:5.1f} s  {name:10} {entry.state}")

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _table(self, notice: Notice) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, entry in notice.components.items():
            table.add_row("", name, _state(entry), str(entry.port))
        table.add_row("", Text(f"{self._elapsed:.0f} s", style="dim"))
        return table


@contextmanager
def progress() -> Iterator[Progress]:
    """Show the start of a stack."""
    if console.is_terminal:
        with Live(console=console, transient=True, refresh_per_second=10) as live:
            yield Progress(live)
    else:
        yield Progress(None)


def status(notice: Notice | None, *, up: bool) -> None:
    """Print one row per component: pid, port, state, restarts, resident memory."""
    if notice is None or not up:
        console.print("The stack is down. `make up` starts it.")
        return
    table = Table(box=None, header_style="bold")
    for title, side in COLUMNS:
        table.add_column(title, justify=side)
    for name, entry in notice.components.items():
        table.add_row(*_row(name, entry))
    console.print(table)


COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("component", "left"),
    ("state", "left"),
    ("pid", "right"),
    ("port", "right"),
    ("restarts", "right"),
    ("memory", "right"),
    ("since", "right"),
)


def _row(name: str, entry: Entry) -> tuple[str | Text, ...]:
    running = entry.pid if entry.state in {"ready", "unready", "starting"} else None
    return (
        name,
        _state(entry),
        str(running or "–"),
        str(entry.port),
        str(entry.restarts),
        f"{memory(running) / MIB:.0f} MiB" if running else "–",
        _duration(time.time() - entry.since),
    )


def _state(entry: Entry) -> Text:
    return Text(entry.state, style=STATE_STYLES.get(entry.state, "yellow"))


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def memory(pid: int) -> int:
    """Return the resident bytes of a process and its children; shared pages count in each."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family)
    except psutil.Error:
        return 0


def addresses(config: Config, credentials: Credentials) -> None:
    """Print where everything is and how to talk to it."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for service in config.services:
        table.add_row(service, config.url(service), f"docs {config.url(service)}/docs")
    if "postgres" in config.components:
        table.add_row("postgres", f"{HOST}:{config.ports.postgres}", "database rapport")
    table.add_row("kafka", config.bootstrap_servers)
    table.add_row("mail (SMTP)", f"{HOST}:{config.ports.smtp}", f"Maildir {config.home.mail}")
    console.print(table, soft_wrap=True)
    if credentials.write_key:
        console.print(f"\nWrite key of source `demo`: [bold]{credentials.write_key}[/]")
        console.print("Operator token: `make token`. Status: `make status`. Stop: `make down`.")


def failure(error: LocalError) -> None:
    """Print an error in one line, with the last log lines under it when there are any."""
    line = Text("error: ", style="bold red").append(error.message, style="not bold default")
    errors.print(line, soft_wrap=True)
    lines = error.details.get("tail")
    for line in lines if isinstance(lines, list) else []:
        errors.print(Text(f"  {line}", style="dim"), soft_wrap=True)
