"""One batch of mails on its way: what each connection takes next, and what came of it."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from rapport_campaign import metrics
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.handlers.dispatch import Result
from rapport_campaign.journal import Page
from rapport_campaign.render.compose import Job, Mail
from rapport_campaign.smtp import Connection, Letter
from rapport_common import clock

NOT_TRIED = Outcome("released", "not tried")


class HandOver:
    """One batch on its way: connections take letters from it until it is empty."""

    def __init__(
        self,
        last_start: float,
        stop: asyncio.Event,
        mails: Sequence[tuple[Job, Mail]],
        results: list[Result],
        page: Page,
    ) -> None:
        self._page = page
        self._last_start = last_start
        self._stop = stop
        self._jobs = {Letter(one.sender, one.recipient, one.data): job for job, one in mails}
        self._waiting = deque(self._jobs)
        self._taken_at: dict[Letter, float] = {}
        self._results = results
        self.tried = 0
        self.unreachable: str | None = None

    async def work(self, connection: Connection, until: float) -> None:
        """Hand over one letter after the other while this connection can be used."""
        reason = await connection.hand_over(self, until)
        if reason is not None:
            # Some servers allow only so many connections: the others go on.
            self.unreachable = reason

    def take(self) -> Letter | None:
        """The next letter, while there is time for one."""
        if self._stop.is_set() or time.monotonic() > self._last_start or not self._waiting:
            return None
        letter = self._waiting.popleft()
        self._page.begin(self._jobs[letter].claimed.key)
        self._taken_at[letter] = time.perf_counter()
        return letter

    def put_back(self, letter: Letter) -> None:
        """It was not begun, through no fault of its own."""
        self._waiting.appendleft(letter)

    def ended(self, letter: Letter, outcome: Outcome) -> None:
        """Keep what came of it."""
        seconds = time.perf_counter() - self._taken_at[letter]
        metrics.SMTP_DURATION.labels(outcome.result).observe(seconds)
        if outcome.result != "released":
            self.tried += 1
        self._end(letter, outcome)

    def give_back(self) -> None:
        """What no connection could take goes back to where it came from."""
        while self._waiting:
            self._end(self._waiting.popleft(), NOT_TRIED)

    def _end(self, letter: Letter, outcome: Outcome) -> None:
        self._page.end(self._jobs[letter].claimed.key, outcome.result)
        self._results.append(Result(self._jobs[letter], outcome, clock.now()))
