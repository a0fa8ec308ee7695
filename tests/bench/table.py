"""The bench's result: one row per measurement, with its ceiling and what it should reach."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.bench import cpu
from tests.bench.cpu import Spent

console = Console(highlight=False, width=130)

TIMES = frozenset({"µs", "ms", "s"})
SMALL_IS_BETTER = TIMES | {"MiB"}
PHASES_ABREAST = 6


@dataclass(frozen=True)
class Row:
    """A measurement. `ceiling` is in the same unit; `goal` and `note` are words for people.

    `spent` are the phases it was taken in: which process used which CPU.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    ceiling: float | None = None
    note: str = ""
    spent: tuple[Spent, ...] = ()

    @property
    def share(self) -> float | None:
        """How much of the ceiling is reached (for times: how many times the floor is taken)."""
        return self.value / self.ceiling if self.ceiling else None

    @property
    def better(self) -> str:
        """Which way is better: `lower` for times and memory, `higher` for rates."""
        return "lower" if self.unit in SMALL_IS_BETTER else "higher"

    @property
    def ratio(self) -> str:
        """The share, for people."""
        if self.share is None:
            return ""
        return f"{self.share:.1f} x" if self.unit in TIMES else f"{self.share:.0%}"

    def record(self) -> dict[str, object]:
        """The row for programs that compare runs."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "goal": self.goal,
            "floor": self.ceiling,
            "ratio": self.share,
            "better": self.better,
            "cpu": [one.record() for one in self.spent],
        }

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts."""
        ceiling = _number(self.ceiling) if self.ceiling else ""
        value = f"{_number(self.value)} {self.unit}"
        return (self.name, value, self.goal, ceiling, self.ratio, self.note)


def how_busy() -> str:
    """Tell how much else the machine has to do: measure it before the bench itself is the load."""
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the start"


def show(rows: list[Row], busy: str) -> None:
    """Print the table; `busy` goes under it."""
    table = Table(title="Rapport on this machine", caption=busy, title_justify="left")
    for title in ("measured", "value", "goal", "ceiling", "of it", "note"):
        table.add_column(title, justify="left" if title in {"measured", "note"} else "right")
    for row in rows:
        table.add_row(*row.cells())
    console.print(table)
    phases = [one for row in rows for one in row.spent]
    for start in range(0, len(phases), PHASES_ABREAST):
        console.print(cpu.table(phases[start : start + PHASES_ABREAST]))


def save(rows: list[Row], busy: str, file: Path) -> None:
    """Write the rows as one JSON object: `machine`, and `rows` as `Row.record` gives them."""
    written = {"machine": busy, "rows": [one.record() for one in rows]}
    file.write_text(json.dumps(written, indent=1) + "\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
