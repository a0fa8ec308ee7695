"""When too many records are poison, the fault is ours: stop instead of emptying the log."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class DeadLetterLimit:
    """More than `ratio` of at least `window` records, or `consecutive` in a row, is too many.

    The records of one key count once: whoever sends a lot of poison about one person stops
    nobody else, while a fault of ours fails for many. The ratio is taken over blocks of `window`
    records, so that a long good past can't hide a bad present.
    """

    ratio: float = 0.01
    window: int = 1000
    consecutive: int = 100
    _seen: int = 0
    _dead: set[Hashable] = field(default_factory=set)
    _run: set[Hashable] = field(default_factory=set)

    def note(self, dead: Sequence[Hashable | None]) -> str | None:
        """Take in, in order, the keys of dead records, None for applied ones.

        Returns a reason to stop, or None.
        """
        for key in dead:
            self._seen += 1
            if key is None:
                self._run.clear()
            else:
                self._dead.add(key)
                self._run.add(key)
            if len(self._run) >= self.consecutive:
                return f"records of {len(self._run)} keys in a row could not be applied"
            if self._seen >= self.window:
                count = len(self._dead)
                share, self._seen = count / self._seen, 0
                self._dead.clear()
                if share > self.ratio:
                    told = f"of the last {self.window} records could not be applied"
                    return f"those of {count} keys {told}"
        return None
