"""The HTTP side of ingest: its operator API, and the addresses that SDKs post to."""

from dataclasses import replace

from fastapi import APIRouter, FastAPI

from rapport_common.composition import ServiceProcess
from rapport_common.jobs.routes import job_routes
from rapport_ingest.api.addresses import declare_addresses
from rapport_ingest.api.catalogue import catalogue_routes
from rapport_ingest.api.debugger import debugger_routes
from rapport_ingest.api.events import event_routes
from rapport_ingest.api.imports import UPLOADS, import_routes, progress_of, upload_routes
from rapport_ingest.api.plans import plan_routes
from rapport_ingest.api.quarantine import quarantine_routes
from rapport_ingest.api.replays import replay_routes
from rapport_ingest.api.sdk_config import sdk_config_routes
from rapport_ingest.api.sources import count_routes, key_routes, policy_routes, source_routes
from rapport_ingest.api.spool import spool_routes
from rapport_ingest.settings import IngestSettings
from rapport_ingest.store.jobs import JOBS
from rapport_ingest.use_cases import UseCases


def routers(process: ServiceProcess, settings: IngestSettings, cases: UseCases) -> list[APIRouter]:
    """All routes of this service that are FastAPI's."""
    engine = process.api_engine
    return [
        source_routes(engine, cases.sources),
        policy_routes(engine),
        count_routes(engine, cases.counting),
        key_routes(engine, cases.sources),
        debugger_routes(engine, cases.debugging),
        event_routes(cases.keys, cases.locator),
        quarantine_routes(engine, cases.counting, cases.reopener),
        replay_routes(engine),
        import_routes(engine, settings),
        upload_routes(engine, cases.uploads),
        plan_routes(engine),
        catalogue_routes(engine),
        job_routes(engine, JOBS, read="events:read", write="imports:write", progress=progress_of),
        sdk_config_routes(cases.keys),
        spool_routes(engine),
    ]


def application(process: ServiceProcess) -> FastAPI:
    """The application over the routes that were added."""
    process.bounds = replace(process.bounds, streams=(UPLOADS,))
    app = process.api()
    # What comes here has no slash at its end any more: to lead on to one would lead in a circle.
    app.router.redirect_slashes = False
    declare_addresses(app)
    return app
