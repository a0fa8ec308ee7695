"""Looks again at the records of sender domains: once a day, each domain by one process.

What DNS says is believed only when it says so several times: a domain that is seen no more signs on
until then, and is told of by metrics from the first time on.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.handlers.sender_domains import Means, look, note_look
from rapport_campaign.store import sender_domains as store
from rapport_common import clock, logging
from rapport_common.db import is_retriable

log = logging.get(__name__)

INTERVAL_SECONDS = 60.0
LEASE = timedelta(hours=1)
"""Who dies at a look leaves the domain to the next one so long."""
AT_ONCE = 5


class Looker:
    """The worker that looks; any number of processes do, each at other domains."""

    name = "sender domains"

    def __init__(
        self, engine: AsyncEngine, means: Means, *, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._engine = engine
        self._means = means
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Look, wait, again, until `stop`."""
        while not stop.is_set():
            try:
                while await self.turn() == AT_ONCE and not stop.is_set():
                    pass
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("sender domains can't be read, trying again", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await stop.wait()

    async def turn(self) -> int:
        """Look at some domains that are due; how many."""
        now = self._now()
        async with self._engine.begin() as tx:
            places = await store.due(tx, now, now + LEASE, AT_ONCE)
        for workspace, domain in places:
            await self._look(workspace, domain)
        async with self._engine.begin() as tx:
            missed, gone = await store.counts(tx)
        metrics.SENDER_DOMAINS.labels("missed").set(missed)
        metrics.SENDER_DOMAINS.labels("gone").set(gone)
        return len(places)

    async def _look(self, workspace: str, domain: str) -> None:
        async with self._engine.begin() as tx:
            one = await store.find(tx, workspace, domain)
        if one is None:
            return
        findings = await look(self._means, one)
        chance = random.random()  # noqa: S311 - spreads looks, protects nothing
        async with self._engine.begin() as tx:
            noted = await note_look(tx, (workspace, domain), findings, self._now(), chance)
        if noted is None:
            return
        before, after = noted
        is_seen = after.state == "verified" and not after.misses
        metrics.LOOKS.labels("seen" if is_seen else "unseen").inc()
        if after.misses or after.state != before.state:
            log.warning(
                "the record of a sender domain is not as it was",
                workspace=workspace,
                domain=domain,
                state=after.state,
                misses=after.misses,
                reason=after.reason,
            )
