"""Ctrl-C at a moment that bears it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def interrupted_afterwards() -> Iterator[None]:
    """Raise the KeyboardInterrupt of a SIGINT that comes in this block at the end of it.

    In the middle of an import it would be lost: what is imported may take it for an error of its
    own (`__set_name__` makes a RuntimeError of it), and the interpreter may still end by the signal
    after it has been caught. For the main thread only, as all handlers of signals.
    """
    came = False

    def note(_number: int, _frame: object) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
