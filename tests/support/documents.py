"""The five services and their OpenAPI documents, made without a server, a database or Kafka."""

from functools import cache
from typing import Any

from fastapi import FastAPI

from rapport_campaign import app as campaign
from rapport_campaign.renderer import Renderer
from rapport_campaign.settings import Settings as CampaignSettings
from rapport_common.composition import ServiceProcess, open_api_engine, open_engine
from rapport_common.events.topics import TOPICS
from rapport_common.kafka.producer import Producer
from rapport_common.settings import ServiceSettings
from rapport_common.testing.credentials import KEY_SETTINGS
from rapport_feedback import app as feedback
from rapport_feedback.settings import Settings as FeedbackSettings
from rapport_ingest import app as ingest
from rapport_ingest.settings import IngestSettings
from rapport_profile import app as profile
from rapport_profile.settings import Settings as ProfileSettings
from rapport_segment import app as segment
from rapport_segment.settings import Settings as SegmentSettings

NOWHERE: dict[str, Any] = {
    **KEY_SETTINGS,
    "database_url": "postgresql://nobody@127.0.0.1:1/none",
    "kafka_bootstrap_servers": "127.0.0.1:1",
    "port": 1,
    "metrics_port": 1,
    "smtp_port": 1,
}


@cache
def document_of(service: str) -> dict[str, Any]:
    """The document as `/openapi.json` of the service gives it."""
    found: dict[str, Any] = api_of(service).openapi()
    return found


@cache
def api_of(service: str) -> FastAPI:
    """The application, over a database and a Kafka that are nowhere."""
    if service == "ingest":
        settings = IngestSettings(**NOWHERE)
        return ingest.assemble(_process(service, settings), settings).api
    if service == "campaign":
        chosen = CampaignSettings(**NOWHERE)
        renderers = [Renderer(chosen.office(), chosen.render_seconds) for _ in range(2)]
        return campaign.assemble(_process(service, chosen), chosen, renderers)
    if service == "profile":
        held = ProfileSettings(**NOWHERE)
        return profile.assemble(_process(service, held), held)
    if service == "segment":
        ruled = SegmentSettings(**NOWHERE)
        return segment.assemble(_process(service, ruled), ruled)
    asked = FeedbackSettings(**NOWHERE)
    return feedback.assemble(_process(service, asked), asked)


def _process(service: str, settings: ServiceSettings) -> ServiceProcess:
    topics = [one for one in TOPICS if service in one.producers]
    producer = Producer(service, settings.kafka_bootstrap_servers, topics, compression=None)
    engine = open_engine(settings, service, "worker", 1)
    return ServiceProcess(service, settings, engine, producer, open_api_engine(settings, service))
