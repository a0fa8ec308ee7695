"""Ctrl-C where it must not be heard in the middle."""

import os
import signal
from collections.abc import Iterator

import pytest

from rapport_local.interrupts import interrupted_afterwards


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Who runs these tests in the background has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_raised_at_the_end_of_the_block() -> None:
    done: list[int] = []

    @interrupted_afterwards()
    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.extend(range(1000))

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(done) == 1000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_is_raised() -> None:
    with interrupted_afterwards():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_the_block_goes_on_and_the_next_interrupt_is_heard() -> None:
    with pytest.raises(ValueError, match="its own"), interrupted_afterwards():
        raise ValueError("its own")
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
