"""The operator API of profile."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_profile.api.access import access_routes
from rapport_profile.api.computed_traits import computed_routes
from rapport_profile.api.consent_rules import consent_rules_routes
from rapport_profile.api.consents import consent_routes
from rapport_profile.api.contact_points import contact_point_routes
from rapport_profile.api.decisions import decision_routes
from rapport_profile.api.duplicates import duplicate_routes
from rapport_profile.api.exporting import export_routes
from rapport_profile.api.group_rules import group_rules_routes
from rapport_profile.api.groups import group_routes
from rapport_profile.api.loyalty import loyalty_routes
from rapport_profile.api.loyalty_programmes import programme_routes
from rapport_profile.api.merge_rules import rules_routes
from rapport_profile.api.privacy import privacy_routes
from rapport_profile.api.profiles import profile_routes
from rapport_profile.api.quality import quality_routes
from rapport_profile.api.readings import reading_routes
from rapport_profile.api.rectifications import rectification_routes
from rapport_profile.api.republishing import republishing_routes
from rapport_profile.api.restraints import restraint_routes
from rapport_profile.api.scores import score_routes
from rapport_profile.api.search import search_routes
from rapport_profile.api.timeline import timeline_routes
from rapport_profile.api.timeline_rules import timeline_rules_routes
from rapport_profile.api.trait_catalogue import trait_catalogue_routes
from rapport_profile.api.trait_history import trait_history_routes
from rapport_profile.api.trait_rules import trait_rules_routes
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.hands import Hands


def routers(engine: AsyncEngine, ids: Ids, hands: Hands) -> list[APIRouter]:
    """All routes of this service; `ids` names identifiers."""
    return [
        computed_routes(engine),
        consent_routes(engine, hands.arrivals, hands.publisher),
        contact_point_routes(engine, ids),
        decision_routes(engine, ids),
        privacy_routes(engine, ids, hands.erasing),
        access_routes(engine, ids, hands.accessing),
        restraint_routes(engine, ids),
        rectification_routes(engine, ids),
        duplicate_routes(engine, ids),
        # Before the profiles: `search` is no profile's id.
        search_routes(engine, ids),
        export_routes(engine),
        profile_routes(engine, ids, hands.arrivals),
        group_routes(engine, ids),
        group_rules_routes(engine),
        loyalty_routes(engine, hands.settling),
        programme_routes(engine),
        quality_routes(engine),
        reading_routes(engine),
        republishing_routes(engine),
        rules_routes(engine),
        score_routes(engine),
        timeline_routes(engine, hands.arrivals),
        consent_rules_routes(engine),
        timeline_rules_routes(engine),
        trait_catalogue_routes(engine),
        trait_history_routes(engine),
        trait_rules_routes(engine),
    ]
