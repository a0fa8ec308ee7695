"""The use cases of ingest over their stores and each other: one of each in a process."""

from dataclasses import dataclass

from rapport_common.composition import ServiceProcess
from rapport_common.jobs.worker import Jobs
from rapport_common.settings import key_bytes
from rapport_ingest.domain.bridging import BridgeFile, translators
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.imports import KIND as IMPORT
from rapport_ingest.handlers.accept import Acceptor
from rapport_ingest.handlers.cataloguing import Cataloguing
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.debugging import Debugging
from rapport_ingest.handlers.importing import Importing
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.handlers.limits import Limits
from rapport_ingest.handlers.locate import Locator
from rapport_ingest.handlers.planning import Planning
from rapport_ingest.handlers.replaying import Replaying
from rapport_ingest.handlers.republishing import Republishing
from rapport_ingest.handlers.sources import Sources
from rapport_ingest.handlers.uploads import Uploads
from rapport_ingest.settings import IngestSettings
from rapport_ingest.spool import Spool
from rapport_ingest.store.jobs import JOBS


@dataclass(frozen=True, slots=True)
class UseCases:
    """What accepts events, and what stands around it."""

    spool: Spool
    counting: Counting
    keys: KeyRing
    locator: Locator
    sources: Sources
    limits: Limits
    cataloguing: Cataloguing
    planning: Planning
    debugging: Debugging
    acceptor: Acceptor
    uploads: Uploads
    bridges: BridgeFile
    reopener: Reopener
    jobs: Jobs


def use_cases(process: ServiceProcess, settings: IngestSettings, bridges: BridgeFile) -> UseCases:
    """Make them as the settings say; `bridges` are those that an operator has declared."""
    engine = process.engine
    spool = Spool(engine, process.producer, limit=settings.spool_limit_bytes)
    counting, cataloguing, planning = Counting(engine), Cataloguing(engine), Planning(engine)
    debugging = Debugging(settings.database_url.get_secret_value())
    acceptor = Acceptor(
        engine,
        spool,
        counting=counting,
        cataloguing=cataloguing,
        planning=planning,
        debugging=debugging,
        partition_secret=key_bytes(settings.event_key),
    )
    pepper = key_bytes(settings.write_key_pepper)
    uploads = Uploads(engine, settings.data_folder, limit=settings.import_limit_bytes)
    reopener = Reopener(translators(bridges))
    works = {
        IMPORT: Importing(engine, acceptor, spool, uploads, settings).work,
        "replay_quarantine": Replaying(engine, spool, acceptor.accept, reopener).work,
        "replay_topic": Republishing(process.producer, settings.kafka_bootstrap_servers).work,
    }
    return UseCases(
        spool=spool,
        counting=counting,
        keys=KeyRing(engine, pepper),
        locator=Locator(engine, settings.kafka_bootstrap_servers),
        sources=Sources(pepper),
        limits=Limits(engine, counting),
        cataloguing=cataloguing,
        planning=planning,
        debugging=debugging,
        acceptor=acceptor,
        uploads=uploads,
        bridges=bridges,
        reopener=reopener,
        jobs=Jobs(engine, JOBS, works),
    )
