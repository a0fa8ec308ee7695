"""How busy connections are shared between processes: who has clearly more than its share gives."""

import math
from collections.abc import Mapping

ROUNDS = 3
"""So often in a row a process has more than its share before it gives: clients come and go."""

TOLERATED = 1 / 8
"""Of a share: to even out less would cost more new connections than it gains."""

MOST = 254
"""Connections that a process gives at a time: their clients all come back at once."""


class Balance:
    """Which process should let connections go, and whom the next ones belong to.

    After a restart all clients are with the process that was up first, and a client that keeps
    its connection open stays there for ever.
    """

    def __init__(self) -> None:
        self._surplus: list[dict[int, int]] = []
        self._owed: dict[int, int] = {}

    def turn(self, busy: Mapping[int, int]) -> dict[int, int]:
        """{process: how many of its connections should go} for {process: how many are busy}.

        What a process was promised and has not got yet counts as its own, half as much with each
        turn: a client that was sent away may never come back.
        """
        self._owed = {one: count // 2 for one, count in self._owed.items() if one in busy}
        counted = {one: count + self._owed.get(one, 0) for one, count in busy.items()}
        share = sum(counted.values()) / max(1, len(counted))
        over = {
            one: count - math.ceil(share)
            for one, count in counted.items()
            if count >= share + max(1, share * TOLERATED)
        }
        self._surplus = [*self._surplus, over][-ROUNDS:]
        if len(self._surplus) < ROUNDS:
            return {}
        giving = {
            one: min(MOST, *(turn.get(one, 0) for turn in self._surplus))
            for one in self._surplus[0]
        }
        giving = {one: count for one, count in giving.items() if count > 0}
        if giving:
            self._surplus = []
            self._promise(sum(giving.values()), counted, share)
        return giving

    def _promise(self, count: int, counted: Mapping[int, int], share: float) -> None:
        """Those that have least come first."""
        for one in sorted(counted, key=lambda other: counted[other]):
            more = min(count, max(0, math.ceil(share) - counted[one]))
            self._owed[one] = self._owed.get(one, 0) + more
            count -= more

    def is_owed(self, process: int) -> bool:
        """Whether the next connections belong to it, however many it has."""
        return self._owed.get(process, 0) > 0

    def given(self, process: int) -> None:
        """A connection has been handed to it."""
        if self.is_owed(process):
            self._owed[process] -= 1
