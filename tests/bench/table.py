"""The bench's result: one row per measurement, with its ceiling and what it should reach."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

console = Console(highlight=False, width=130)


@dataclass(frozen=True)
class Row:
    """A measurement. `ceiling` is in the same unit; `goal` and `note` are words for people."""

    name: str
    value: float
    unit: str
    goal: str = ""
    ceiling: float | None = None
    note: str = ""

    @property
    def ratio(self) -> str:
        """How much of the ceiling is reached (for times: how many times the floor is taken)."""
        if not self.ceiling:
            return ""
        share = self.value / self.ceiling
        return f"{share:.1f} x" if self.unit in {"ms", "s"} else f"{share:.0%}"

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


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
