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


async def run(only: str | None) -> None:
    """Run ingest, whole or its half `only`; with several workers as the parent of processes."""
    settings = IngestSettings()
    if settings.workers > 1 and settings.parent_pid is None and only != "worker":
        logging.configure("ingest", level=settings.log_level, style=settings.log_format)
        await Crew(settings, only).run()
        return
    process = await open_process("ingest", settings, ROOT)
    app = assemble(process, settings, only).app
    half, channel = ("worker", None) if only == "worker" else (None, settings.channel_fd)
    await process.run(app, only=half, edge=edge_of(channel))


def assemble(process: ServiceProcess, settings: IngestSettings, only: str | None) -> Assembled:
    """Put together the ASGI app, and the workers of the half `only`: some go with the API."""
    cases = use_cases(process, settings, declared(settings.mqtt_bridges))
    add_workers(process, settings, cases, only)
    process.health.checks = {"storage": storage_check(process.engine, cases.spool)}
    process.ledger(Ledger, partial(counts, cases.counting, cases.locator, cases.spool))
    process.routers += routers(process, settings, cases)
    api = application(process)
    app = Intake(Public(api), cases.keys, cases.limits, cases.acceptor, settings.proxies())
    return Assembled(app, api, cases)
