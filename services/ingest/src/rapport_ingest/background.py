"""What ingest does beside its requests, and what of it goes with the API."""

import asyncio

from rapport_common.composition import ServiceProcess
from rapport_common.settings import key_bytes
from rapport_ingest.bridge import bridges_of
from rapport_ingest.domain.client import prepare
from rapport_ingest.edge.child import ParentWatch
from rapport_ingest.handlers.privacy import eraser
from rapport_ingest.retention import retentions
from rapport_ingest.settings import IngestSettings
from rapport_ingest.use_cases import UseCases


class Devices:
    """A worker that builds the matcher of user agents beside the start.

    It takes about half a second and 30 MB; the first event with a user agent would wait for it.
    """

    name = "devices"

    async def run(self, stop: asyncio.Event) -> None:
        """Build it once, then wait for `stop`."""
        await asyncio.to_thread(prepare)
        await stop.wait()


def add_workers(process: ServiceProcess, settings: IngestSettings, cases: UseCases) -> None:
    """Add the workers, and what a process in any role needs in order to accept events."""
    process.consume((), eraser(key_bytes(settings.event_key), cases.uploads))
    process.relay()
    process.workers += [cases.spool, cases.jobs, cases.uploads]
    process.workers += bridges_of(cases.bridges, process.engine, cases.acceptor, cases.limits)
    process.retain(retentions(settings))
    # Bridges and jobs accept events, as the API does.
    process.in_each_role += [cases.counting, cases.keys, cases.limits, cases.debugging]
    process.in_each_role += [cases.cataloguing, cases.planning, Devices()]
    if settings.parent_pid is not None:
        process.in_each_role.append(ParentWatch(settings.parent_pid))
