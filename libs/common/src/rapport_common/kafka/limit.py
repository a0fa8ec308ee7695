"""When too many records are poison, the fault is ours: stop instead of emptying the log."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class DeadLetterLimit:
    """More than `ratio` of at least `window` records, or `consecutive` in a row, is too many.

    The ratio is taken over blocks of `window` records, so that a long good past can't hide a
    bad present. If they have fewer than `keys` different keys it is somebody who sends poison, who
    must not stop the others.
    """

    ratio: float = 0.01
    window: int = 1000
    consecutive: int = 100
    keys: int = 5
    _seen: int = 0
    _dead: list[bytes] = field(default_factory=list)
    _run: list[bytes] = field(default_factory=list)

    def note_applied(self, records: int) -> bool:
        """Take in records that were all applied, at once; False when they have to be `note`d."""
        if self._dead:
            return False
        self._run.clear()
        self._seen = (self._seen + records) % self.window
        return True

    def note(self, dead_keys: Iterable[bytes | None]) -> str | None:
        """Take in, in order, the key of each dead record, None for one that was applied.

        A reason to stop, or None.
        """
        for key in dead_keys:
            self._seen += 1
            if key is None:
                self._run.clear()
            else:
                self._dead.append(key)
                self._run.append(key)
            if len(self._run) >= self.consecutive and self._are_many(self._run):
                return f"{len(self._run)} records in a row could not be applied"
            if self._seen >= self.window:
                dead, self._seen, self._dead = self._dead, 0, []
                if len(dead) > self.ratio * self.window and self._are_many(dead):
                    return f"{len(dead)} of the last {self.window} records could not be applied"
        return None

    def _are_many(self, keys: list[bytes]) -> bool:
        return len(set(keys)) >= self.keys
