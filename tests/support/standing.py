"""The stacks that a lane of tests shares: they end with it, not with the run.

A stack in which nothing flows takes a quarter of a processor, which all other tests would pay for.
"""

from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapport_local.stack import Stack


class Standing:
    """What stands now in this process."""

    def __init__(self) -> None:
        self._ends = ExitStack()

    def stack(self, starting: "AbstractContextManager[Stack]") -> "Stack":
        """Start a stack, which stands until `end`."""
        return self._ends.enter_context(starting)

    def end(self) -> None:
        """End all that stands."""
        self._ends.close()


STANDING = Standing()
