"""What the stack costs at rest: start, memory, and the way back after a kill."""

from __future__ import annotations

import time

from tests.bench.place import Place
from tests.bench.table import Row, console

from rapport_local.ports import SERVICES
from rapport_local.ui import MIB, memory

SETTLE_SECONDS = 5.0


def at_rest(place: Place) -> list[Row]:
    """Return the time of the start and the memory of each service, children included."""
    time.sleep(SETTLE_SECONDS)
    rows = [Row("start to ready", place.start_seconds, "s", "40")]
    for name in SERVICES:
        resident = memory(place.stack.pid(name)) / MIB
        rows.append(Row(f"memory of {name} at rest", resident, "MiB", "150"))
    return rows


def after_kills(place: Place) -> list[Row]:
    """Kill each service and return how long it takes until it is ready again."""
    return [
        Row(f"{name} ready again after kill -9", _kill(place, name), "s", "5") for name in SERVICES
    ]


def _kill(place: Place, name: str) -> float:
    console.print(f"kill -9 of {name} …")
    began = time.perf_counter()
    killed = place.stack.kill(name)
    place.stack.wait_component(name, not_pid=killed)
    return time.perf_counter() - began
