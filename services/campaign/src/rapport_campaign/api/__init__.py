"""The HTTP side: routes for operators, and the pages behind the links of a mail."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.operator import operator_routes
from rapport_campaign.api.preference_pages import preference_pages
from rapport_campaign.api.preferences import preference_routes
from rapport_campaign.api.public import public_routes
from rapport_campaign.handlers.preferences import Preferences
from rapport_campaign.handlers.segments import Arrivals
from rapport_campaign.handlers.track import Tracker
from rapport_campaign.renderer import Renderer
from rapport_campaign.tables import SCHEMA
from rapport_common.brands import brand_routes


def routers(
    engine: AsyncEngine,
    tracker: Tracker,
    renderer: Renderer,
    arrivals: Arrivals,
    preferences: Preferences,
) -> list[APIRouter]:
    """All routes of this service; `renderer` reads templates, its office's key signs links."""
    return [
        operator_routes(engine, renderer, arrivals),
        brand_routes(engine, SCHEMA, "campaigns"),
        preference_routes(engine, renderer.office),
        public_routes(engine, tracker, renderer.office.link_key),
        preference_pages(engine, preferences, renderer.office.link_key),
    ]
