"""The composition root of profile."""

import os
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.operator.models import Ledger
from rapport_common.settings import key_bytes
from rapport_profile.api import routers
from rapport_profile.consumer import subscriptions
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.handlers.erasing import Erasing
from rapport_profile.handlers.indexing import Indexing
from rapport_profile.handlers.jobs import works
from rapport_profile.handlers.ledger import equations
from rapport_profile.handlers.loyalty_settling import Settling
from rapport_profile.handlers.upkeep import Upkeep
from rapport_profile.retention import retentions
from rapport_profile.settings import Settings
from rapport_profile.store.jobs import JOBS

ROOT = Path(__file__).resolve().parents[2]

# pypinyin would read its phrases, 46 MB, which say nothing of names.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")


async def run(only: str | None) -> None:
    """Serve the API, the workers or both, until a signal."""
    settings = Settings()
    process = await open_process("profile", settings, ROOT)
    await process.run(assemble(process, settings), only=only)


def assemble(process: ServiceProcess, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    ids, chosen = Ids(key_bytes(settings.event_key)), settings.chosen_traits()
    arrivals = Arrivals(process.api_engine)
    erasing = Erasing(ids, key_bytes(settings.event_key), key_bytes(settings.receipt_key))
    consumer = process.consume(subscriptions(ids, arrivals.applied), erasing.eraser())
    settling = Settling(key_bytes(settings.event_key))
    process.relay()
    process.due(settling.kinds)
    process.jobs(
        JOBS, works(process.engine, ids, settings), read="ops", write="ops", both=["profiles:write"]
    )
    process.retain(retentions(settings))
    upkeep = Upkeep(process.engine, settings.timeline_retention_days)
    process.watch(upkeep, lambda: upkeep.last_sign)
    indexing = Indexing(process.engine, chosen, settings.search_rate)
    process.watch(indexing, lambda: indexing.last_sign)
    process.ledger(Ledger, consumer.store.ledger, partial(equations, consumer.store))
    process.routers += routers(process.api_engine, ids, arrivals, erasing, settling)
    return process.api()
