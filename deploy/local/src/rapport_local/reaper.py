"""A tiny process that ends the children of a program which died without ending them itself.

It reads `+PID SIGNAL` and `-PID` lines from its parent. The end of that input means the parent is
gone: each process group still listed gets its signal and, after a grace, SIGKILL. This works on
every POSIX system and also reaches grandchildren. Standard library only: it runs with `-I -S`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE_SECONDS = 30.0


def read_children(lines: Iterable[str]) -> dict[int, int]:
    """Follow the parent's notes until they end; returns pid -> stop signal of those left."""
    children: dict[int, int] = {}
    for line in lines:
        if line.startswith("+"):
            pid, number = line[1:].split()
            children[int(pid)] = int(number)
        else:
            children.pop(int(line[1:]), None)
    return children


def end(children: dict[int, int]) -> None:
    """Signal each process group, wait for all of them, kill what stays."""
    for pid, number in children.items():
        _signal_group(pid, number)
        _signal_group(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE_SECONDS
    left = set(children)
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {pid for pid in left if _signal_group(pid, 0)}
    for pid in left:
        _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
        return True
    return False


def main() -> None:
    """Run until the parent is gone and its children are too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(read_children(sys.stdin))


if __name__ == "__main__":
    main()
