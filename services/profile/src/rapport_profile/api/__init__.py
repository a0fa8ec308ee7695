"""The operator API of profile."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_profile.api.decisions import decision_routes
from rapport_profile.api.duplicates import duplicate_routes
from rapport_profile.api.exporting import export_routes
from rapport_profile.api.loyalty import loyalty_routes
from rapport_profile.api.loyalty_programmes import programme_routes
from rapport_profile.api.merge_rules import rules_routes
from rapport_profile.api.privacy import privacy_routes
from rapport_profile.api.profiles import profile_routes
from rapport_profile.api.quality import quality_routes
from rapport_profile.api.republishing import republishing_routes
from rapport_profile.api.search import search_routes
from rapport_profile.api.timeline import timeline_routes
from rapport_profile.api.timeline_rules import timeline_rules_routes
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.handlers.erasing import Erasing
from rapport_profile.handlers.loyalty_settling import Settling


def routers(
    engine: AsyncEngine, ids: Ids, arrivals: Arrivals, erasing: Erasing, settling: Settling
) -> list[APIRouter]:
    """All routes of this service.

    `ids` names identifiers, `arrivals` knows who waits, `erasing` forgets people, `settling`
    works out what members of loyalty programmes have.
    """
    return [
        decision_routes(engine, ids),
        privacy_routes(engine, ids, erasing),
        duplicate_routes(engine, ids),
        # Before the profiles: `search` is no profile's id.
        search_routes(engine, ids),
        export_routes(engine),
        profile_routes(engine, ids, arrivals),
        loyalty_routes(engine, settling),
        programme_routes(engine),
        quality_routes(engine),
        republishing_routes(engine),
        rules_routes(engine),
        timeline_routes(engine, arrivals),
        timeline_rules_routes(engine),
    ]
