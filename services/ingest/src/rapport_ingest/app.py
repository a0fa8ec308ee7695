"""The composition root of ingest."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI

from rapport_common import logging
from rapport_common.composition import ServiceProcess, open_process
from rapport_ingest.api import application, routers
from rapport_ingest.api.models import Ledger
from rapport_ingest.api.public import Public
from rapport_ingest.background import add_workers
from rapport_ingest.bridge import declared
from rapport_ingest.edge.child import edge_of
from rapport_ingest.edge.parent import Crew
from rapport_ingest.handlers.ledger import counts
from rapport_ingest.intake import Intake
from rapport_ingest.settings import IngestSettings
from rapport_ingest.spool import storage_check
from rapport_ingest.use_cases import UseCases, use_cases

ROOT = Path(__file__).resolve().parents[2]


class Assembled(NamedTuple):
    """What a process serves and does: its ASGI app over the API, and what tests want to hold."""

    app: Intake
    api: FastAPI
    cases: UseCases


async def run() -> None:
    """Do what the role of this process is; to serve in several, as the parent of processes."""
    settings = IngestSettings()
    if settings.workers > 1 and settings.parent_pid is None and settings.serves:
        logging.configure("ingest", level=settings.log_level, style=settings.log_format)
        await Crew(settings).run()
        return
    process = await open_process("ingest", settings, ROOT)
    app = assemble(process, settings).app
    await process.run(app, edge=edge_of(settings.channel_fd if settings.serves else None))


def assemble(process: ServiceProcess, settings: IngestSettings) -> Assembled:
    """Put together the ASGI app, and the workers: some go with the API."""
    cases = use_cases(process, settings, declared(settings.mqtt_bridges))
    add_workers(process, settings, cases)
    process.health.checks = {"storage": storage_check(process.engine, cases.spool)}
    process.ledger(Ledger, partial(counts, cases.counting, cases.locator, cases.spool))
    process.routers += routers(process, settings, cases)
    api = application(process)
    app = Intake(Public(api), cases.keys, cases.limits, cases.acceptor, settings.proxies())
    return Assembled(app, api, cases)
