"""How long the tests of each folder took, beside what they should take at most."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BUDGET = Path(__file__).parents[1] / "arch/budget.toml"


def folder_of(nodeid: str) -> str:
    """The folder whose seconds a test counts to: `tests/faults`, `services/profile`, …"""
    parts = nodeid.partition("::")[0].split("/")
    return "/".join(parts[:2])


def budget() -> dict[str, int]:
    """The seconds that the tests of each folder may take."""
    folders: dict[str, int] = tomllib.loads(BUDGET.read_text())["folders"]
    return folders


def table(reports: Iterable[list[Any]]) -> Iterator[str]:
    """The lines to show; `reports` are lists of pytest's reports of tests, and of other things.

    Seconds of tests that ran side by side are added: their sum is longer than the run. To be over
    the budget makes nothing red: the machine may have had other work.
    """
    taken: dict[str, float] = defaultdict(float)
    for one in (each for some in reports for each in some):
        if hasattr(one, "when") and hasattr(one, "duration"):
            taken[folder_of(one.nodeid)] += one.duration
    allowed = budget()
    for folder, spent in sorted(taken.items(), key=lambda item: -item[1]):
        most = allowed.get(folder, 0)
        over = "  over" if spent > most else ""
        yield f"{folder:<22}{spent:6.0f} of {most:4}{over}"
    yield f"{'together':<22}{sum(taken.values()):6.0f} of {sum(allowed.values()):4}"
