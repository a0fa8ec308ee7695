"""Building segments in a test: by a worker that does nothing by itself."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.jobs.worker import Jobs
from rapport_common.testing.credentials import EVENT_KEY
from rapport_segment.handlers.building import PAGES, Building
from rapport_segment.handlers.jobs import put_away
from rapport_segment.handlers.rfm import Scoring
from rapport_segment.handlers.uploading import Uploading
from rapport_segment.store.jobs import BUILD, CLEAR, JOBS, SCORE, UPLOAD


async def build(
    engine: AsyncEngine, page: int = PAGES[0], now: Callable[[], datetime] = clock.now
) -> int:
    """Work all jobs off; how many there were."""
    lists = Uploading(engine, EVENT_KEY, rows=3)
    works = {UPLOAD: lists.work, CLEAR: lists.clear}
    works[SCORE] = Scoring(engine, now).work
    works[BUILD] = Building(engine, now, pages=(page,)).work
    worker = Jobs(engine, JOBS, works, put_away())
    number = 0
    while await worker.turn(asyncio.Event()):
        number += 1
    return number
