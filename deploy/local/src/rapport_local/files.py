"""Writing small files so that a reader never sees half of one, and one lock for one job."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, readable by the owner only."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, waiting for whoever has it.

    The system drops the lock when the holder dies, however it dies.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_soon(path: Path, seconds: float) -> Iterator[bool]:
    """Try the lock for a while; gives False when somebody else keeps it.

    With 0 seconds one try is made. Whoever means to keep a lock should allow for more: another
    process takes it for a moment to ask `is_locked`.
    """
    deadline = time.monotonic() + seconds
    with path.open("a") as file:
        while not (ours := _try(file)) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield ours


def _try(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Tell whether another process holds the lock."""
    if not path.exists():
        return False
    with locked_soon(path, 0) as ours:
        return not ours
