"""How long each stage of the demo took, and the bars that show it while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rapport_local.ui import console


@dataclass(frozen=True)
class Stage:
    """A finished stage: `amount` things of `unit` in `seconds`."""

    name: str
    seconds: float
    amount: int = 0
    unit: str = ""

    @property
    def rate(self) -> str:
        """Things per second, in words."""
        if not self.amount or not self.seconds:
            return ""
        return f"{self.amount / self.seconds:,.0f} {self.unit}/s"


@dataclass
class Clock:
    """Collects the stages in the order in which they end."""

    stages: list[Stage] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, amount: int = 0, unit: str = "") -> Iterator[None]:
        """Time what happens inside."""
        began = time.monotonic()
        yield
        self.stages.append(Stage(name, time.monotonic() - began, amount, unit))


class Bars:
    """One bar per stage of the replay; each one's clock stops when it is full."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def add(self, name: str, total: int) -> Bar:
        """Add a bar that is full at `total`."""
        return Bar(self._progress, name, total)


class Bar:
    """One bar, and the moment when it became full."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress = progress
        self._began = time.monotonic()
        self._task = progress.add_task(name, total=total)
        self.name = name
        self.total = total
        self.seconds: float | None = None

    def show(self, done: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=min(done, self.total))
        if done >= self.total and self.seconds is None:
            self.seconds = time.monotonic() - self._began

    @property
    def full(self) -> bool:
        """Whether everything has arrived."""
        return self.seconds is not None

    def stage(self, unit: str) -> Stage:
        """Return the stage this bar has shown."""
        return Stage(self.name, self.seconds or 0.0, self.total, unit)


@contextmanager
def bars() -> Iterator[Bars]:
    """Show bars while the block runs; they stay on screen."""
    columns = (
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)
