"""How much of something expensive one workspace may do at once."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from fastapi import Depends, Request

from rapport_common.auth import Operator
from rapport_common.errors import BusyError


class WorkspaceLimit:
    """At most `each` requests of one workspace at a time, and `total` of all, in this process.

    What is beyond gets a 429 with `Retry-After`, at once: a queue would hold connections, and the
    caller knows best whether the answer is still wanted. Either

        previews = WorkspaceLimit("previews of segments", each=2, total=8)
        Previewer = Annotated[Operator, Depends(previews.of(operator("segments:read")))]

    which holds a place until the answer is sent, or `with previews.place(workspace): …`.
    """

    def __init__(self, what: str, *, each: int, total: int, retry_after: int = 1) -> None:
        self._what = what
        self._each = each
        self._total = total
        self._retry_after = retry_after
        self._running: Counter[str] = Counter()

    @contextmanager
    def place(self, workspace: str) -> Iterator[None]:
        """Hold a place for as long as the block lasts; BusyError when there is none."""
        if self._running[workspace] >= self._each:
            raise self._busy(f"{self._each} of this workspace are running")
        if self._running.total() >= self._total:
            raise self._busy(f"{self._total} are running")
        self._running[workspace] += 1
        try:
            yield
        finally:
            self._running[workspace] -= 1
            if not self._running[workspace]:
                del self._running[workspace]

    def of(
        self, caller: Callable[[Request], Awaitable[Operator]]
    ) -> Callable[..., AsyncIterator[Operator]]:
        """A FastAPI dependency: the caller that `caller` verifies, with a place held for him."""

        async def placed(verified: Operator = Depends(caller)) -> AsyncIterator[Operator]:
            with self.place(verified.workspace):
                yield verified

        return placed

    def _busy(self, why: str) -> BusyError:
        message = f"Too many {self._what} at once: {why}. Try again in {self._retry_after} s."
        return BusyError(
            message,
            retry_after=self._retry_after,
            details={"each_workspace": self._each, "total": self._total},
        )
