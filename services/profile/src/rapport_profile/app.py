"""The composition root of profile."""

import os
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.events.topics import EVENTS
from rapport_common.operator.models import Ledger
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_profile.api import Hands, routers
from rapport_profile.consumer import subscriptions
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers import telling_traits
from rapport_profile.handlers.accessing import Accessing
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.handlers.consent_ends import ConsentEnds
from rapport_profile.handlers.erasing import Erasing
from rapport_profile.handlers.indexing import Indexing
from rapport_profile.handlers.jobs import works
from rapport_profile.handlers.lapsing import Lapsing
from rapport_profile.handlers.ledger import equations
from rapport_profile.handlers.privacy import eraser
from rapport_profile.handlers.upkeep import Upkeep
from rapport_profile.retention import retentions
from rapport_profile.settings import Settings
from rapport_profile.store.jobs import JOBS
from rapport_profile.tables import SCHEMA

ROOT = Path(__file__).resolve().parents[2]

# pypinyin would read its phrases, 46 MB, which say nothing of names.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")


async def run(only: str | None) -> None:
    """Serve the API, the workers or both, until a signal."""
    settings = Settings()
    process = await open_process(SCHEMA, settings, ROOT)
    await process.run(assemble(process, settings), only=only)


def assemble(process: ServiceProcess, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    key = key_bytes(settings.event_key)
    ids, publisher = Ids(key), Publisher(SCHEMA, EVENTS, key)
    arrivals = Arrivals(process.api_engine)
    erasing = Erasing(ids, key, key_bytes(settings.receipt_key), settings.privacy_law)
    accessing = Accessing(erasing, timedelta(days=settings.access_days))
    consumer = process.consume(subscriptions(ids, arrivals.applied), eraser(erasing, accessing))
    process.relay()
    work = works(process.engine, ids, settings)
    process.jobs(JOBS, work, read="ops", write="ops", both=["profiles:write"])
    process.due({**Lapsing(ids).kinds, **telling_traits.KINDS, **ConsentEnds(publisher).kinds})
    process.retain(retentions(settings))
    upkeep = Upkeep(process.engine, settings.timeline_retention_days)
    process.watch(upkeep, lambda: upkeep.last_sign)
    indexing = Indexing(process.engine, settings.chosen_traits(), settings.search_rate)
    process.watch(indexing, lambda: indexing.last_sign)
    process.ledger(Ledger, consumer.store.ledger, partial(equations, consumer.store))
    hands = Hands(arrivals, erasing, accessing, publisher)
    process.routers += routers(process.api_engine, ids, hands)
    return process.api()
