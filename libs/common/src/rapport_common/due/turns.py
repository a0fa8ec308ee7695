"""Whose rows are run next: kinds take turns, and among a kind the workspaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Head:
    """A lane, that is a workspace's rows of a kind, and when its first one is to be tried."""

    workspace: str
    kind: str
    try_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """The lanes of a kind that are next, and how many rows each of them may have in it."""

    kind: str
    workspaces: tuple[str, ...]
    share: int


@dataclass(frozen=True, slots=True)
class Turns:
    """Where the round of kinds stands, and for each kind that of its workspaces."""

    kind: str = ""
    workspaces: Mapping[str, str] = field(default_factory=dict)

    def next(self, heads: Sequence[Head], now: datetime, most: int) -> "tuple[Batch, Turns] | None":
        """The next batch of at most `most` rows, and the turns after it; None: nothing is due.

        Kinds go round in the order of their names, and so do the workspaces of each: who is due
        is served in one of as many batches as there are kinds that are due, times one for each
        `most` of his kind's workspaces, whatever the others have.
        """
        lanes = [one for one in heads if one.try_at <= now]
        if not lanes:
            return None
        kind = _round({one.kind for one in lanes}, self.kind)[0]
        waiting = {one.workspace for one in lanes if one.kind == kind}
        served = _round(waiting, self.workspaces.get(kind, ""))[:most]
        batch = Batch(kind, tuple(served), max(1, most // len(served)))
        return batch, Turns(kind, {**self.workspaces, kind: served[-1]})


def _round(names: set[str], after: str) -> list[str]:
    """The names in their order, beginning behind `after`."""
    return sorted(names, key=lambda name: (name <= after, name))
