"""One batch of mails on its way: what each connection takes next, and what came of it."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rapport_campaign import metrics
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.mail_servers import DEFAULT_POOL
from rapport_campaign.handlers.dispatch import Result
from rapport_campaign.handlers.outlets import OPENING_SECONDS, Mouth, Outlet
from rapport_campaign.journal import Page
from rapport_campaign.render.compose import Job, Mail
from rapport_campaign.smtp import Connection, Letter, UnreachableError
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
        *,
        pool_of: Callable[[Job], str] = lambda _: DEFAULT_POOL,
    ) -> None:
        """`pool_of`: by which pool of servers the mail of a job goes."""
        self._page = page
        self._last_start = last_start
        self._stop = stop
        self._jobs = {Letter(one.sender, one.recipient, one.data): job for job, one in mails}
        self._pools = {letter: pool_of(job) for letter, job in self._jobs.items()}
        self._waiting: defaultdict[str, deque[Letter]] = defaultdict(deque)
        for letter, pool in self._pools.items():
            self._waiting[pool].append(letter)
        self._taken_at: dict[Letter, float] = {}
        self._results = results
        self.tried = 0
        self.unreachable: str | None = None

    async def to(self, mouths: Sequence[Mouth], until: float) -> None:
        """Hand the letters over, by as many connections as there are letters at most."""
        several = len(mouths) > 1
        usable = [
            one
            for one in mouths
            if self._waiting[one.outlet.pool] and not (several and one.outlet.is_resting)
        ]
        pairs = [(one.outlet, each) for one in usable for each in one.connections]
        async with asyncio.TaskGroup() as group:
            for outlet, connection in pairs[: len(self._jobs)] if not several else pairs:
                taker = _Taker(self, outlet, may_move=several)
                group.create_task(self._work(taker, connection, until))

    async def _work(self, taker: "_Taker", connection: Connection, until: float) -> None:
        """Hand over one letter after the other while this connection can be used."""
        outlet = taker.outlet
        if taker.may_move:
            # Before it takes a letter: another server need not wait for that.
            try:
                await connection.open(min(OPENING_SECONDS, until - time.monotonic()))
            except UnreachableError as error:
                self._gave_up(outlet, str(error))
                return
        while True:
            reason = await connection.hand_over(taker, until)
            if reason is not None:
                # Some servers allow only so many connections: the others go on.
                self._gave_up(outlet, reason)
                return
            if not self._goes_on(outlet.pool) or not outlet.wait:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(outlet.wait):
                    await self._stop.wait()

    def _gave_up(self, outlet: Outlet, reason: str) -> None:
        self.unreachable = reason
        outlet.failed()

    def _goes_on(self, pool: str) -> bool:
        late = time.monotonic() > self._last_start
        return bool(self._waiting[pool]) and not late and not self._stop.is_set()

    def take(self, pool: str) -> Letter | None:
        """The next letter that goes by a pool, while there is time for one."""
        if not self._goes_on(pool):
            return None
        letter = self._waiting[pool].popleft()
        self._page.begin(self._jobs[letter].claimed.key)
        self._taken_at[letter] = time.perf_counter()
        return letter

    def put_back(self, letter: Letter) -> None:
        """It was not begun, through no fault of its own."""
        self._waiting[self._pools[letter]].appendleft(letter)

    def ended(self, letter: Letter, outcome: Outcome, outlet: Outlet) -> None:
        """Keep what came of it."""
        seconds = time.perf_counter() - self._taken_at[letter]
        metrics.SMTP_DURATION.labels(outcome.result).observe(seconds)
        metrics.SERVER_MAILS.labels(outlet.name, outcome.result).inc()
        metrics.POOL_MAILS.labels(outlet.pool, outcome.result).inc()
        if outcome.result != "released":
            self.tried += 1
            outlet.answered()
        self._end(letter, outcome)

    def moves(self, letter: Letter, outlet: Outlet) -> None:
        """This server has nothing of it: another one may."""
        metrics.SERVER_MAILS.labels(outlet.name, "released").inc()
        self._page.end(self._jobs[letter].claimed.key, "released")
        self.put_back(letter)

    def give_back(self) -> None:
        """What no connection could take goes back to where it came from."""
        for letters in self._waiting.values():
            while letters:
                self._end(letters.popleft(), NOT_TRIED)

    def _end(self, letter: Letter, outcome: Outcome) -> None:
        self._page.end(self._jobs[letter].claimed.key, outcome.result)
        self._results.append(Result(self._jobs[letter], outcome, clock.now()))


@dataclass(frozen=True, slots=True)
class _Taker:
    """Takes for one server; `may_move`: what it has nothing of goes to the others."""

    batch: HandOver
    outlet: Outlet
    may_move: bool

    def take(self) -> Letter | None:
        if self.outlet.wait:
            return None
        letter = self.batch.take(self.outlet.pool)
        if letter is not None:
            self.outlet.takes()
        return letter

    def put_back(self, letter: Letter) -> None:
        self.batch.put_back(letter)

    def ended(self, letter: Letter, outcome: Outcome) -> None:
        if self.may_move and outcome.result == "released":
            self.batch.moves(letter, self.outlet)
        else:
            self.batch.ended(letter, outcome, self.outlet)
