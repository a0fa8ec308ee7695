"""Sends what is due: some lanes, each taking a batch, handing it over, and writing it down.

A process that dies at any point leaves `sending` rows behind, one batch per lane at most. What it
had not begun goes on at once, if another process on its machine finds its journal. The lease of all
else runs out and they become `uncertain`: they are never sent again, since the mail may be out.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.domain.delivery import Outcome, moments
from rapport_campaign.domain.model import Link
from rapport_campaign.domain.parcels import INBOX
from rapport_campaign.domain.tasks import TASKS
from rapport_campaign.handlers import parcels
from rapport_campaign.handlers.carrying import Carried, Carriers
from rapport_campaign.handlers.dispatch import Batch, Dispatcher, Result
from rapport_campaign.handlers.feeding import Feeds, feeds_of
from rapport_campaign.handlers.handing_over import NOT_TRIED, HandOver
from rapport_campaign.handlers.outcomes import Marks
from rapport_campaign.handlers.outlets import Away, Mouth, outlets_of
from rapport_campaign.handlers.outlets import away as unreachable
from rapport_campaign.handlers.recommenders import Filling, Means
from rapport_campaign.handlers.signing import Signer
from rapport_campaign.journal import Entry, Journal, Page
from rapport_campaign.render.compose import Job, Mail
from rapport_campaign.render.saying import Spoken
from rapport_campaign.renderer import Refusal, Renderer
from rapport_campaign.settings import Settings
from rapport_campaign.smtp import UnreachableError
from rapport_campaign.store import coupons, lanes, plan, tracking
from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.settings import key_bytes

log = logging.get(__name__)

POLL_SECONDS = 0.2
EXPIRE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 10.0
KNOWN_LINKS = 10_000


@dataclass(frozen=True, slots=True)
class Lane:
    """What one lane sends with."""

    mouths: list[Mouth]
    renderer: Renderer


@dataclass(frozen=True, slots=True)
class _Way:
    """How a batch is carried out: by which lane, noted where, claimed when (monotonic)."""

    lane: Lane
    page: Page
    claimed_at: float


class Sender:
    """The worker that sends; any number of them may run at once."""

    name = "sender"

    def __init__(
        self,
        engine: AsyncEngine,
        dispatcher: Dispatcher,
        renderers: Sequence[Renderer],
        carriers: Carriers,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._dispatcher = dispatcher
        self._renderers = renderers
        self._carriers = carriers
        self._settings = settings
        self.outlets = outlets_of(
            settings.mail_servers(),
            timeout=settings.smtp_timeout,
            greeting=settings.greeting,
            connections=settings.sender_connections,
        )
        self._signer = Signer(settings.secret_keys())
        self.feeds = feeds_of(engine, settings)
        self._filling = Filling(Means(engine, carriers.http, settings.recommender_keys()))
        self._link_key = key_bytes(settings.link_key)
        self._marks = Marks(self._link_key)
        self._known_links: set[tuple[str, str]] = set()
        self._nothing_until = float("-inf")
        self._journal = Journal(settings.journal_folder)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; what is being handed over then is finished first."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._settings.sender_lanes):
                    group.create_task(self._lane(number, stop))
                group.create_task(self._expire(stop))
        finally:
            await self.feeds.close()

    async def _lane(self, number: int, stop: asyncio.Event) -> None:
        lane = Lane(
            [Mouth.of(one) for one in self.outlets],
            self._renderers[number % len(self._renderers)],
        )
        pause = 0.0
        try:
            while not stop.is_set():
                try:
                    busy = await self._turn(lane, stop)
                    pause = 0.0 if busy else POLL_SECONDS
                except UnreachableError as error:
                    metrics.UNREACHABLE.set(1)
                    pause = min(max(pause, POLL_SECONDS) * 2, MAX_PAUSE_SECONDS)
                    log.warning("mail server not reachable", error=error, wait=pause)
                except Exception as error:
                    if not is_retriable(error):
                        raise
                    pause = POLL_SECONDS * 5
                    log.warning("ledger not reachable", error=error)
                await _wait(stop, pause)
        finally:
            for mouth in lane.mouths:
                for one in mouth.connections:
                    await one.close()

    async def _turn(self, lane: Lane, stop: asyncio.Event) -> bool:
        """One batch; False when there is nothing to do."""
        if not await self._anything_due():
            return False
        # First the server, then the claim: while it is away no mail is marked, and all else goes.
        away = await unreachable(lane.mouths)
        claimed_at = time.monotonic()
        with ExitStack() as kept:
            async with self._engine.begin() as tx:
                batch, marked = await self._claim(tx, away)
                # Before the commit: of what is marked there is a page, whenever we are killed.
                page = kept.enter_context(self._journal.batch(batch.token, _entries(batch)))
            self._marks.committed(marked)
            if away.error is not None and not batch.jobs:
                raise away.error
            if not batch.jobs:
                return batch.settled > 0
            metrics.IN_FLIGHT.inc(len(batch.jobs))
            try:
                await self._carry_all(batch, _Way(lane, page, claimed_at), stop)
            finally:
                metrics.IN_FLIGHT.dec(len(batch.jobs))
        return True

    async def _claim(self, tx: AsyncConnection, away: Away) -> tuple[Batch, set[str]]:
        """A batch, and the workspaces whose mark is new."""
        token = str(uuid.uuid4())
        size = self._settings.sender_batch
        batch = await self._dispatcher.claim(
            tx, size, token, mails=away.error is None, gone=away.pools
        )
        workspaces = {job.claimed.workspace for job in batch.jobs}
        await self._signer.learn(tx, workspaces)
        return batch, await self._marks.add(tx, workspaces)

    async def _anything_due(self) -> bool:
        """Whether a claim would find something. What one lane finds empty the others believe for
        as long as it rests: else each of them would ask as often.
        """
        now = time.monotonic()
        if now < self._nothing_until:
            return False
        async with self._engine.begin() as tx:
            found = await plan.anything_due(tx)
        self._nothing_until = float("-inf") if found else now + POLL_SECONDS
        return found

    async def _carry_all(self, batch: Batch, way: "_Way", stop: asyncio.Event) -> None:
        """What asks somebody outside goes after what does not, which never waits for them."""
        showing = Feeds.showing(batch.jobs)
        fed = {one.claimed.key for one in showing}
        recommended = [one for one in Filling.showing(batch.jobs) if one.claimed.key not in fed]
        later = fed.union(one.claimed.key for one in recommended)
        plain = [one for one in batch.jobs if one.claimed.key not in later]
        wanting = await self.feeds.begin(showing) if showing else None
        ready: list[Job] = []
        results = [Result(job, NOT_TRIED, clock.now()) for job in showing]
        try:
            for some in (plain, recommended):
                if some:
                    await self._carry_out(replace(batch, jobs=some), way, stop)
            if wanting is not None:
                ready, results = await self.feeds.collect(wanting)
        finally:
            # Whatever has happened: nothing of it was begun.
            if results:
                until = way.claimed_at + self._settings.lease_seconds
                await self._record(batch.token, results, until)
        if ready:
            await self._carry_out(replace(batch, jobs=ready), way, stop)

    async def _carry_out(self, batch: Batch, way: "_Way", stop: asyncio.Event) -> None:
        lane, claimed_at = way.lane, way.claimed_at
        results: list[Result] = []
        said: list[tuple[Job, Spoken]] = []
        lease_ends = claimed_at + self._settings.lease_seconds
        render, begin = moments(self._settings.lease_seconds, self._settings.smtp_timeout)
        batch = replace(batch, jobs=await self._filling.filled(batch.jobs, results))
        # What is not rendered by then goes back.
        mails = await self._compose(batch, lane.renderer, claimed_at + render, results, said)
        begins = claimed_at + begin
        hand_over = HandOver(begins, stop, mails, results, way.page, pool_of=self._pool_of)
        # A body is begun one time-out after its mail at the latest, and answered in another one.
        until = claimed_at + begin + self._settings.smtp_timeout
        if await self._store_links([link for _, mail in mails for link in mail.links]):
            await hand_over.to(lane.mouths, until)
        hand_over.give_back()
        for takers, some in parcels.ready(said, results, self._link_key).items():
            await self._carry(takers, some, results, way.page)
        await self._record(batch.token, results, lease_ends)
        if hand_over.unreachable and not hand_over.tried:
            raise UnreachableError(hand_over.unreachable)

    def _pool_of(self, job: Job) -> str:
        return self._dispatcher.pools.of(job.claimed.workspace, job.campaign)

    async def _carry(
        self,
        group: parcels.Group,
        some: Sequence[parcels.Ready],
        results: list[Result],
        page: Page,
    ) -> None:
        """Let providers take what is no e-mail, as many as they may; an inbox is our own.

        It raises nothing for a database that is away: what else the batch came to would be lost.
        """
        going: list[parcels.Going] = []
        waiting: list[Result] = []
        is_ours = group[1] == INBOX or group[1] in TASKS
        try:
            async with self._engine.begin() as tx:
                if is_ours:
                    for job, _ in some:
                        page.begin(job.claimed.key)
                    await parcels.keep(tx, group, some)
                else:
                    admission = await self._carriers.admit(tx, *group, len(some))
                    going = parcels.assigned(some, admission, waiting)
                    await self._carriers.noting(tx, [one[1:] for one in going])
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("messages not carried, they are given back", error=error)
            results += [Result(job, NOT_TRIED, clock.now()) for job, _ in some]
            return
        if is_ours:
            results += [Result(job, Outcome("sent"), clock.now()) for job, _ in some]
            return
        results += waiting
        for job, _, _ in going:
            page.begin(job.claimed.key)
        carried = await asyncio.gather(
            *(self._carriers.carry(account, parcel) for _, account, parcel in going)
        )
        for (job, _, _), one in zip(going, carried, strict=True):
            page.end(job.claimed.key, one.outcome.result)
        results += parcels.results_of([job for job, _, _ in going], carried)
        await self._note(carried)

    async def _note(self, carried: Sequence[Carried]) -> None:
        try:
            async with self._engine.begin() as tx:
                await self._carriers.note(tx, carried)
        except Exception as error:
            if not is_retriable(error):
                raise
            # The ledger has what became of them; what is lost is how the accounts stand.
            log.warning("providers' answers not kept", error=error)

    async def _compose(
        self,
        batch: Batch,
        renderer: Renderer,
        until: float,
        results: list[Result],
        said: list[tuple[Job, Spoken]],
    ) -> list[tuple[Job, Mail]]:
        """The mails of a batch; what is said otherwise is in `said`, what can't be is a result."""
        mails: list[tuple[Job, Mail]] = []
        with metrics.RENDER_DURATION.time():
            answers = await renderer.compose(batch.jobs, clock.now(), until=until)
        for job, answer in zip(batch.jobs, answers, strict=True):
            if isinstance(answer, Mail):
                mail = self._signer.signed(job.claimed.workspace, answer)
                mails.append((job, mail))
                if mail is not answer:
                    # A signature takes a millisecond: others have their turn between two of them.
                    await asyncio.sleep(0)
                continue
            if isinstance(answer, Spoken):
                said.append((job, answer))
                continue
            outcome = Outcome("failed", answer.reason) if isinstance(answer, Refusal) else NOT_TRIED
            results.append(Result(job, outcome, clock.now()))
        return mails

    async def _store_links(self, links: Sequence[Link]) -> bool:
        """Make the links lead somewhere before anybody can have them; False when it failed."""
        new = [one for one in links if (one.workspace, one.link_id) not in self._known_links]
        if not new:
            return True
        try:
            async with self._engine.begin() as tx:
                await tracking.add_links(tx, new)
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("links not stored, the batch is given back", error=error)
            return False
        if len(self._known_links) > KNOWN_LINKS:
            self._known_links.clear()
        self._known_links.update((one.workspace, one.link_id) for one in new)
        return True

    async def _record(self, token: str, results: Sequence[Result], lease_ends: float) -> None:
        """Write the results, again and again while the lease lasts: then they are uncertain."""
        while True:
            try:
                async with self._engine.begin() as tx:
                    await self._dispatcher.record(tx, token, results)
                return
            except Exception as error:
                if not is_retriable(error) or time.monotonic() > lease_ends:
                    raise
                log.warning("results not written, trying again", error=error)
                await asyncio.sleep(POLL_SECONDS)

    async def _go_on_after_a_kill(self) -> None:
        """What dead senders of this machine knew is written down; what they never began goes on."""
        for left in self._journal.left():
            async with self._engine.begin() as tx:
                number = await self._dispatcher.succeed(tx, left)
            self._journal.forget(left)
            log.warning("a sender died", settled=number)

    async def _let_go(self) -> None:
        """Of what waits for a pace, let go what has its turn soon: a lane at a time, as each is
        locked.
        """
        async with self._engine.begin() as tx:
            waiting = await lanes.parked_in(tx)
        for lane in waiting:
            async with self._engine.begin() as tx:
                await self._dispatcher.paces.let_go(tx, lane)

    async def _expire(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._go_on_after_a_kill()
                async with self._engine.begin() as tx:
                    expired = await self._dispatcher.expire(tx)
                async with self._engine.begin() as tx:
                    await self._dispatcher.withdraw(tx)
                async with self._engine.begin() as tx:
                    metrics.COUPONS_LOW.set(await coupons.low(tx))
                async with self._engine.begin() as tx:
                    await self._signer.seal_anew(tx)
                    await self.feeds.look(tx)
                await self._let_go()
                if expired:
                    log.error("sends became uncertain", count=expired)
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("leases not checked", error=error)
            await _wait(stop, EXPIRE_SECONDS)


def _entries(batch: Batch) -> list[Entry]:
    claimed = [job.claimed for job in batch.jobs]
    return [Entry(one.workspace, one.send_key, one.profile_id) for one in claimed]


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
