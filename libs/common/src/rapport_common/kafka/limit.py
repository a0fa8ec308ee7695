"""When too many records are poison, the fault is ours: stop instead of emptying the log."""

from dataclasses import dataclass


@dataclass(slots=True)
class DeadLetterLimit:
    """More than `ratio` of at least `window` records, or `consecutive` in a row, is too many.

    The ratio is taken over blocks of `window` records, so that a long good past can't hide a
    bad present.
    """

    ratio: float = 0.01
    window: int = 1000
    consecutive: int = 100
    _seen: int = 0
    _dead: int = 0
    _run: int = 0

    def note(self, verdicts: list[bool]) -> str | None:
        """Take in, in order, whether each record was dead; a reason to stop, or None."""
        for dead in verdicts:
            self._seen += 1
            self._dead += dead
            self._run = self._run + 1 if dead else 0
            if self._run >= self.consecutive:
                return f"{self._run} records in a row could not be applied"
            if self._seen >= self.window:
                share, count = self._dead / self._seen, self._dead
                self._seen = self._dead = 0
                if share > self.ratio:
                    return f"{count} of the last {self.window} records could not be applied"
        return None
