"""The HTTP side: routes for operators, and the pages behind the links of a mail."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.inbox import inbox_pages, inbox_routes
from rapport_campaign.api.messages import message_routes
from rapport_campaign.api.operator import operator_routes
from rapport_campaign.api.opt_ins import opt_in_pages, opt_in_routes
from rapport_campaign.api.preference_pages import preference_pages
from rapport_campaign.api.preferences import preference_routes
from rapport_campaign.api.providers import provider_routes
from rapport_campaign.api.public import Door, public_routes
from rapport_campaign.api.sender_domains import sender_domain_routes
from rapport_campaign.api.texting import texting_routes
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.opt_ins import OptIns
from rapport_campaign.handlers.preferences import Preferences
from rapport_campaign.handlers.segments import Arrivals
from rapport_campaign.handlers.sender_domains import means_of
from rapport_campaign.handlers.track import Tracker
from rapport_campaign.render.compose import Office
from rapport_campaign.renderer import Renderer
from rapport_campaign.settings import Settings
from rapport_campaign.tables import SCHEMA
from rapport_common.brands import brand_routes
from rapport_common.publisher import Publisher

Listeners = tuple[Tracker, Preferences, OptIns]


def listeners(publisher: Publisher, key: bytes, office: Office) -> Listeners:
    """Who take in what recipients do and say; `publisher` writes to `events`, `key` is its key."""
    opt_ins = OptIns(publisher, key, office)
    return Tracker(publisher), Preferences(publisher, key), opt_ins


def routers(
    engine: AsyncEngine,
    listening: Listeners,
    renderer: Renderer,
    carriers: Carriers,
    settings: Settings,
) -> list[APIRouter]:
    """All routes of this service; `renderer` reads templates, its office's key signs links.

    `listening` are made by `listeners`; `carriers` carry what is no e-mail.
    """
    tracker, preferences, opt_ins = listening
    door = Door(renderer.office.link_key, settings.proxies())
    return [
        operator_routes(engine, renderer, Arrivals.of(engine, settings)),
        message_routes(engine, renderer, tracker.publisher),
        brand_routes(engine, SCHEMA, "campaigns"),
        sender_domain_routes(engine, means_of(settings)),
        provider_routes(engine, carriers),
        texting_routes(engine),
        inbox_routes(engine, renderer.office),
        inbox_pages(engine, renderer.office.link_key),
        preference_routes(engine, renderer.office),
        public_routes(engine, tracker, renderer.office.link_key),
        preference_pages(engine, preferences, door),
        opt_in_routes(engine, opt_ins),
        opt_in_pages(engine, opt_ins, door),
    ]
