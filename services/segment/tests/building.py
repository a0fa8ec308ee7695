"""Building segments in a test: by a worker that does nothing by itself."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.jobs.worker import Jobs
from rapport_segment.handlers.building import PAGES, Building
from rapport_segment.store.jobs import BUILD, JOBS


async def build(
    engine: AsyncEngine, page: int = PAGES[0], now: Callable[[], datetime] = clock.now
) -> int:
    """Work all jobs off; how many there were."""
    worker = Jobs(engine, JOBS, {BUILD: Building(engine, now, pages=(page,)).work})
    number = 0
    while await worker.turn(asyncio.Event()):
        number += 1
    return number
